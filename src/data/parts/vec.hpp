#pragma once
#include <algorithm>
#include <cmath>

namespace hone::parts {

struct Vec2 {
  float x = 0, y = 0;
};

struct Vec3 {
  float x = 0, y = 0, z = 0;
  Vec3 operator+(Vec3 o) const { return {x + o.x, y + o.y, z + o.z}; }
  Vec3 operator-(Vec3 o) const { return {x - o.x, y - o.y, z - o.z}; }
  Vec3 operator*(float f) const { return {x * f, y * f, z * f}; }
  Vec3 operator*(Vec3 o) const { return {x * o.x, y * o.y, z * o.z}; }
};

inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
inline float length(Vec3 a) { return std::sqrt(dot(a, a)); }
inline float length(float x, float y) { return std::sqrt(x * x + y * y); }
inline Vec3 normalize(Vec3 a) { return a * (1 / std::max(length(a), 1e-12f)); }
inline Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
inline Vec3 reflect(Vec3 direction, Vec3 normal) { return direction - normal * (2 * dot(direction, normal)); }
inline float mix(float a, float b, float t) { return a + (b - a) * t; }
inline Vec3 mix(Vec3 a, Vec3 b, float t) { return a + (b - a) * t; }
inline float smoothstep(float low, float high, float x) {
  float t = std::clamp((x - low) / (high - low), 0.0f, 1.0f);
  return t * t * (3 - 2 * t);
}

/// A rotation; rows are the local axes in world coordinates.
struct Rotation {
  Vec3 x{1, 0, 0}, y{0, 1, 0}, z{0, 0, 1};
  Vec3 to_world(Vec3 local) const { return x * local.x + y * local.y + z * local.z; }
  Vec3 to_local(Vec3 world) const { return {dot(world, x), dot(world, y), dot(world, z)}; }
};

/// Turns around the local z by `spin`, then tips around the world x by `tip`, then around the world z by `heading`.
inline Rotation make_rotation(float spin, float tip, float heading) {
  auto place = [&](Vec3 v) {
    v = {v.x * std::cos(spin) - v.y * std::sin(spin), v.x * std::sin(spin) + v.y * std::cos(spin), v.z};
    v = {v.x, v.y * std::cos(tip) - v.z * std::sin(tip), v.y * std::sin(tip) + v.z * std::cos(tip)};
    return Vec3{v.x * std::cos(heading) - v.y * std::sin(heading), v.x * std::sin(heading) + v.y * std::cos(heading),
                v.z};
  };
  return {place({1, 0, 0}), place({0, 1, 0}), place({0, 0, 1})};
}

}  // namespace hone::parts
