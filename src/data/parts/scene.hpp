#pragma once
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "data/parts/shapes.hpp"
#include "data/random.hpp"

namespace hone::parts {

struct Material {
  Vec3 color;          ///< of diffuse light, or of reflections for metal; linear
  float metal = 0;     ///< 0 plastic or paint, 1 metal
  float rough = 0.3f;  ///< 0 mirror, 1 matte
  float grain = 0;     ///< strength of bumps, scratches and stains
  uint32_t seed = 0;
};

struct Object {
  Shape shape;
  Rotation pose;
  Vec3 center;
  Material material;
  float distance(Vec3 p) const { return shape.distance(pose.to_local(p - center)); }
};

/// A bright rectangle of the room, seen in reflections.
struct SoftBox {
  Vec3 direction;
  float size = 0.3f;
  Vec3 color;
};

struct Light {
  Vec3 position;
  Vec3 color;
  float hardness = 12;  ///< of its shadow's edge
  Vec3 sky, floor;      ///< ambient light from above and below
  std::vector<SoftBox> boxes;
  uint32_t room_seed = 0;
  Vec3 gobo;             ///< (x, y) direction and offset of a large shadow's edge on the ground
  float gobo_depth = 0;  ///< how much light it takes, 0 to 1
  float gobo_blur = 0.3f;
};

struct Camera {
  Vec3 eye, forward, right, up;
  float tangent = 0.3f;  ///< of half the vertical field of view
};

/// One part and some clutter on a bench.
struct Scene {
  std::vector<Object> objects;  ///< the part is the first
  cv::Mat surface;              ///< texture of the bench
  Rotation surface_turn;
  float surface_scale = 4;
  float surface_gloss = 0;
  Light light;
  Camera camera;
  float exposure = 1;
};

Scene random_scene(const std::string& part, Rng& rng);
/// The light that reaches the camera: CV_32FC3, linear RGB, rows x columns.
cv::Mat render(const Scene& scene, int rows, int columns);

}  // namespace hone::parts
