#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/parts/vec.hpp"
#include "data/random.hpp"

namespace hone::parts {

enum class Kind { washer, nut, gear, bolt, bracket, spring, ball, pin, block, disc };

/// A solid given by its signed distance. Parts have a radius of about 1 around the origin; sizes not used by a kind are
/// 0.
struct Shape {
  Kind kind = Kind::ball;
  float radius = 1;        ///< of a sphere around the origin that holds it
  float outer = 0;         ///< outer radius, or half of the first side
  float inner = 0;         ///< radius of the hole, or of a shaft or wire
  float half = 0;          ///< half of the thickness or length along z
  float head = 0;          ///< half of the height of a bolt's head, or the height of a gear's teeth
  float pitch = 0;         ///< of a thread or coil
  float width = 0;         ///< of a bracket, or a gear's relative tooth width
  float detail = 0;        ///< radius of additional holes, flanges, fillets
  int count = 0;           ///< teeth, coils or holes
  int style = 0;           ///< variant of the kind
  float smallest = 0.02f;  ///< the rounding of edges

  /// Distance to the surface, negative inside; never more than the true distance by much (marching uses 0.8 of it).
  float distance(Vec3 p) const;
  /// Points whose hull holds the shape: it rests on the ground with the lowest of them.
  std::vector<Vec3> support() const;
};

/// The shape of a class name ("bolt", "bracket", ...) with random proportions.
Shape random_part(const std::string& name, Rng& rng);
/// A simple solid of about this radius that belongs to no class.
Shape random_clutter(float radius, Rng& rng);
/// What tells the random numbers of one class from those of another (FNV-1a).
inline uint64_t hash_name(const std::string& name) {
  uint64_t hash = 14695981039346656037ULL;
  for (unsigned char c : name) hash = (hash ^ c) * 1099511628211ULL;
  return hash;
}

/// How such a part may lie on a bench.
Rotation random_pose(const Shape& shape, Rng& rng);

}  // namespace hone::parts
