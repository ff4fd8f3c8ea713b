#include "data/parts/scene.hpp"

#include <numbers>

#include "data/parts/texture.hpp"

namespace hone::parts {

namespace {
constexpr float pi = std::numbers::pi_v<float>;

float real(Rng& rng, double low, double high) { return static_cast<float>(rng.uniform(low, high)); }

Vec3 direction(float azimuth, float elevation) {
  return {std::cos(azimuth) * std::cos(elevation), std::sin(azimuth) * std::cos(elevation), std::sin(elevation)};
}

Material random_material(Rng& rng) {
  Material m;
  m.seed = rng.next_u32();
  m.metal = 1;
  m.rough = real(rng, 0.12, 0.6);
  m.grain = real(rng, 0, 1);
  double choice = rng.uniform();
  if (choice < 0.45) {
    m.color = Vec3{0.72f, 0.72f, 0.74f} * real(rng, 0.55, 1.1);  // steel, zinc
  } else if (choice < 0.6) {
    m.color = mix(Vec3{0.85f, 0.6f, 0.25f}, Vec3{0.8f, 0.42f, 0.26f}, real(rng, 0, 1)) *
              real(rng, 0.6, 1.0);  // brass to copper
  } else if (choice < 0.75) {
    m.color = Vec3{0.09f, 0.09f, 0.1f} * real(rng, 0.6, 2);  // black oxide
  } else {
    m.metal = 0;  // paint or plastic
    m.color = random_color(rng, 0.9, 0.03, 0.6);
  }
  return m;
}

/// Puts an object on the ground at (x, y).
Object place(const Shape& shape, const Rotation& pose, float x, float y, Rng& rng) {
  Object object{shape, pose, {x, y, 0}, random_material(rng)};
  float lowest = 0;
  for (Vec3 point : shape.support()) lowest = std::min(lowest, pose.to_world(point).z);
  bool round_ends = shape.kind == Kind::ball || shape.kind == Kind::pin;
  object.center.z = -lowest + (round_ends ? shape.outer : 0);
  return object;
}

void add_clutter(Scene& scene, Rng& rng) {
  float part_radius = scene.objects[0].shape.radius;
  for (int i = std::max(0, rng.between(-1, 4)); i > 0; --i) {
    float radius = real(rng, 0.1, 0.55);
    Shape shape = random_clutter(radius, rng);
    float angle = real(rng, 0, 2 * pi),
          away = real(rng, part_radius * 0.85 + radius, part_radius * 0.85 + radius + 1.6);
    scene.objects.push_back(place(shape, random_pose(shape, rng), away * std::cos(angle), away * std::sin(angle), rng));
  }
}

Light random_light(Rng& rng) {
  Light light;
  Vec3 tint = mix(Vec3{1.12f, 1, 0.8f}, Vec3{0.88f, 1, 1.16f}, real(rng, 0, 1));
  light.position = direction(real(rng, 0, 2 * pi), real(rng, 0.45, 1.45)) * real(rng, 3, 9);
  light.color = tint * real(rng, 0.6, 2.2);
  light.hardness = real(rng, 3, 30);
  light.sky = mix(Vec3{1, 1, 1}, Vec3{0.85f, 0.95f, 1.15f}, real(rng, 0, 1)) * real(rng, 0.18, 0.75);
  light.floor = light.sky * real(rng, 0.25, 0.6);
  for (int i = rng.between(1, 4); i > 0; --i)
    light.boxes.push_back(
        {direction(real(rng, 0, 2 * pi), real(rng, 0.1, 1.5)), real(rng, 0.12, 0.5), tint * real(rng, 0.8, 4)});
  light.room_seed = rng.next_u32();
  if (rng.chance(0.4)) {
    float angle = real(rng, 0, 2 * pi);
    light.gobo = {std::cos(angle), std::sin(angle), real(rng, -1.2, 1.2)};
    light.gobo_depth = real(rng, 0.3, 0.9);
    light.gobo_blur = real(rng, 0.03, 0.8);
  }
  return light;
}

Camera random_camera(const Object& part, Rng& rng) {
  Camera camera;
  camera.tangent = std::tan(real(rng, 12, 24) * pi / 180);
  float elevation = real(rng, 38, 88) * pi / 180, azimuth = real(rng, 0, 2 * pi);
  float share = real(rng, 0.6, 1.0);  // of half the image's height
  float away = part.shape.radius / (share * camera.tangent);
  camera.forward = direction(azimuth, elevation) * -1;
  camera.right = normalize(cross(camera.forward, {0, 0, 1}));
  camera.up = cross(camera.right, camera.forward);
  float free = std::max(0.0f, 1.08f - share) * away * camera.tangent;
  Vec3 target = part.center + camera.right * (free * real(rng, -1.5, 1.5)) + camera.up * (free * real(rng, -1, 1));
  camera.eye = target - camera.forward * away;
  float roll = real(rng, -0.35, 0.35);
  Vec3 right = camera.right * std::cos(roll) + camera.up * std::sin(roll);
  camera.up = camera.up * std::cos(roll) - camera.right * std::sin(roll);
  camera.right = right;
  return camera;
}
}  // namespace

Scene random_scene(const std::string& part, Rng& rng) {
  Scene scene;
  Shape shape = random_part(part, rng);
  scene.objects.push_back(place(shape, random_pose(shape, rng), 0, 0, rng));
  add_clutter(scene, rng);
  scene.surface = random_surface(rng);
  scene.surface_turn = make_rotation(real(rng, 0, 2 * pi), 0, 0);
  scene.surface_scale = real(rng, 2.5, 6);
  scene.surface_gloss = rng.chance(0.4) ? real(rng, 0, 0.35) : 0;
  scene.light = random_light(rng);
  scene.camera = random_camera(scene.objects[0], rng);
  scene.exposure = real(rng, 0.65, 1.6);
  return scene;
}

}  // namespace hone::parts
