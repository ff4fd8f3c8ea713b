#include "data/parts/scene.hpp"
#include "data/parts/texture.hpp"

namespace hone::parts {

// Sphere tracing (Hart 1996) of the objects' distances over a plane, with the soft shadows and ambient occlusion that
// distances give cheaply (after Inigo Quilez, iquilezles.org).

namespace {
constexpr float surface_error = 0.0015f;

struct Ray {
  Vec3 origin, direction;
  Vec3 at(float t) const { return origin + direction * t; }
};

/// The objects whose sphere a ray meets, and where.
struct Candidates {
  const Object* objects[8];
  int count = 0;
  float begin = 1e9f, end = 0;

  Candidates(const Scene& scene, const Ray& ray, float grow) {
    for (const Object& object : scene.objects) {
      Vec3 to = object.center - ray.origin;
      float along = dot(to, ray.direction), radius = object.shape.radius + grow;
      float gap = dot(to, to) - along * along, half = radius * radius - gap;
      if (half < 0 || count == 8) continue;
      half = std::sqrt(half);
      if (along + half < 0) continue;
      objects[count++] = &object;
      begin = std::min(begin, std::max(along - half, 0.0f));
      end = std::max(end, along + half);
    }
  }
  float distance(Vec3 p, const Object** nearest = nullptr) const {
    float best = 1e9f;
    for (int i = 0; i < count; ++i) {
      float d = objects[i]->distance(p);
      if (d < best && nearest) *nearest = objects[i];
      best = std::min(best, d);
    }
    return best;
  }
};

struct Hit {
  const Object* object = nullptr;
  float t = 0;
};

Hit trace(const Scene& scene, const Ray& ray, float limit) {
  Candidates candidates(scene, ray, 0);
  float end = std::min(candidates.end, limit);
  const Object* nearest = nullptr;
  float t = candidates.begin;
  for (int step = 0; step < 120 && t < end && candidates.count > 0; ++step) {
    float d = candidates.distance(ray.at(t), &nearest);
    if (d < surface_error) return {nearest, t};
    t += std::max(d * 0.8f, surface_error);
  }
  return {};
}

/// How much of the light arrives, 0 to 1.
float visibility(const Scene& scene, Vec3 from, Vec3 to_light, float hardness) {
  Ray ray{from, to_light};
  Candidates candidates(scene, ray, 0.15f);
  float open = 1, t = std::max(candidates.begin, 0.02f);
  for (int step = 0; step < 40 && t < candidates.end && candidates.count > 0; ++step) {
    float d = candidates.distance(ray.at(t));
    open = std::min(open, hardness * d / t);
    if (open < 0.01f) return 0;
    t += std::clamp(d * 0.85f, 0.015f, 0.3f);
  }
  return smoothstep(0, 1, open);
}

/// How open the surroundings are, 0 to 1.
float openness(const Scene& scene, Vec3 p, Vec3 normal) {
  float blocked = 0, weight = 1;
  for (int i = 1; i <= 3; ++i) {
    float reach = 0.11f * static_cast<float>(i);
    Vec3 probe = p + normal * reach;
    float d = std::max(probe.z, 0.0f);
    for (const Object& object : scene.objects)
      if (length(probe - object.center) < object.shape.radius + reach) d = std::min(d, object.distance(probe));
    blocked += weight * std::max(reach - d, 0.0f) / reach;
    weight *= 0.6f;
  }
  return std::clamp(1 - 0.5f * blocked, 0.0f, 1.0f);
}

Vec3 normal_of(const Object& object, Vec3 p) {
  constexpr float e = 0.003f;
  Vec3 a{1, -1, -1}, b{-1, -1, 1}, c{-1, 1, -1}, d{1, 1, 1};
  return normalize(a * object.distance(p + a * e) + b * object.distance(p + b * e) + c * object.distance(p + c * e) +
                   d * object.distance(p + d * e));
}

/// The room as a reflection sees it, smoothed by roughness.
Vec3 room(const Light& light, Vec3 direction, float rough) {
  Vec3 color = mix(light.floor, light.sky, smoothstep(-0.3f - rough, 0.3f + rough, direction.z));
  // Furniture and windows: broad light and dark patches, which make metal look like metal.
  color = color * std::max(0.15f, 1 + (1.3f - rough) * noise(direction * 2.2f, light.room_seed));
  for (const SoftBox& box : light.boxes) {
    float edge = 0.03f + rough * 0.5f;
    float off = 1 - dot(direction, box.direction);
    float size = box.size * 0.4f;
    color = color + box.color * ((1 - smoothstep(size - edge * 0.5f, size + edge, off)) * size / (size + edge * 0.6f));
  }
  return color;
}

float gobo(const Light& light, Vec3 p) {
  float side = p.x * light.gobo.x + p.y * light.gobo.y - light.gobo.z;
  return 1 - light.gobo_depth * smoothstep(-light.gobo_blur, light.gobo_blur, side);
}

struct Incoming {
  Vec3 direction;
  Vec3 light;
};

/// The key light at a point: falls with distance, and objects and the gobo shadow it.
Incoming key_light(const Scene& scene, Vec3 p, Vec3 normal) {
  const Light& light = scene.light;
  Vec3 to = light.position - p;
  float away = length(to), reference = length(light.position);
  Vec3 direction = to * (1 / away);
  if (dot(direction, normal) <= 0) return {direction, {}};
  float open = visibility(scene, p + normal * 0.01f, direction, light.hardness);
  return {direction, light.color * (open * gobo(light, p) * reference * reference / (away * away))};
}

Vec3 shade_object(const Scene& scene, const Object& object, Vec3 p, Vec3 view) {
  const Material& m = object.material;
  Vec3 normal = normal_of(object, p);
  Vec3 local = object.pose.to_local(p - object.center);
  float stain = noise(local * 3, m.seed) * 0.6f + noise(local * 9, m.seed + 1) * 0.4f;
  Vec3 bump{noise(local * 26, m.seed + 2), noise(local * 26, m.seed + 3), noise(local * 26, m.seed + 4)};
  normal = normalize(normal + bump * (0.09f * m.grain));
  Vec3 color = m.color * (1 + 0.28f * m.grain * stain);
  float rough = std::clamp(m.rough + 0.2f * m.grain * stain, 0.05f, 1.0f);

  float open = openness(scene, p, normal);
  Incoming key = key_light(scene, p, normal);
  float facing = std::max(dot(normal, key.direction), 0.0f);
  Vec3 ambient = mix(scene.light.floor, scene.light.sky, 0.5f + 0.5f * normal.z) * open;
  Vec3 mirrored = reflect(view, normal);
  Vec3 half = normalize(key.direction - view);
  float exponent = 2 / (rough * rough * rough * rough + 0.002f);
  Vec3 highlight =
      key.light * (std::pow(std::max(dot(normal, half), 0.0f), exponent) * (exponent + 2) * 0.035f * facing);
  float grazing = std::pow(1 - std::clamp(-dot(view, normal), 0.0f, 1.0f), 5.0f);
  Vec3 reflected = room(scene.light, mirrored, rough) * (0.35f + 0.65f * open);

  Vec3 plastic =
      color * (key.light * facing + ambient) + (reflected + highlight) * (0.04f + 0.5f * grazing * (1 - rough));
  Vec3 tinted = mix(color, Vec3{1, 1, 1}, grazing * 0.7f);
  Vec3 metal = tinted * (reflected + highlight * 1.4f + key.light * (facing * 0.16f) + ambient * 0.16f);
  return mix(plastic, metal, m.metal);
}

Vec3 shade_ground(const Scene& scene, Vec3 p, Vec3 view) {
  Vec3 turned = scene.surface_turn.to_local(p);
  Vec3 color = sample_surface(scene.surface, turned.x / scene.surface_scale, turned.y / scene.surface_scale);
  Vec3 up{0, 0, 1};
  Incoming key = key_light(scene, p, up);
  float open = openness(scene, p, up);
  Vec3 result = color * (key.light * key.direction.z + scene.light.sky * open);
  if (scene.surface_gloss > 0) {
    Ray mirrored{p + up * 0.01f, reflect(view, up)};
    Hit hit = trace(scene, mirrored, 1e9f);
    Vec3 seen =
        hit.object ? hit.object->material.color * scene.light.sky : room(scene.light, mirrored.direction, 0.25f);
    result = result + seen * (scene.surface_gloss * (0.15f + 0.85f * std::pow(1 + view.z, 3.0f)));
  }
  return result;
}
}  // namespace

cv::Mat render(const Scene& scene, int rows, int columns) {
  cv::Mat image(rows, columns, CV_32FC3);
  const Camera& camera = scene.camera;
  float scale = 2 * camera.tangent / static_cast<float>(rows);
  for (int row = 0; row < rows; ++row) {
    auto* pixel = image.ptr<cv::Vec3f>(row);
    for (int column = 0; column < columns; ++column) {
      float x = (static_cast<float>(column) + 0.5f - static_cast<float>(columns) * 0.5f) * scale;
      float y = (static_cast<float>(rows) * 0.5f - static_cast<float>(row) - 0.5f) * scale;
      Ray ray{camera.eye, normalize(camera.forward + camera.right * x + camera.up * y)};
      float ground = ray.direction.z < -1e-3f ? -ray.origin.z / ray.direction.z : 1e9f;
      Hit hit = trace(scene, ray, ground);
      Vec3 color;
      if (hit.object)
        color = shade_object(scene, *hit.object, ray.at(hit.t), ray.direction);
      else if (ground < 60)
        color = shade_ground(scene, ray.at(ground), ray.direction);
      else
        color = scene.light.floor;
      color = color * scene.exposure;
      pixel[column] = {color.x, color.y, color.z};
    }
  }
  return image;
}

}  // namespace hone::parts
