#include "data/parts/shapes.hpp"

#include <numbers>

namespace hone::parts {

// Distance functions after Inigo Quilez, "Distance functions" (iquilezles.org), and constructions from them.

namespace {
constexpr float pi = std::numbers::pi_v<float>;

float real(Rng& rng, double low, double high) { return static_cast<float>(rng.uniform(low, high)); }

float box(Vec3 p, Vec3 half) {
  Vec3 q{std::abs(p.x) - half.x, std::abs(p.y) - half.y, std::abs(p.z) - half.z};
  Vec3 outside{std::max(q.x, 0.0f), std::max(q.y, 0.0f), std::max(q.z, 0.0f)};
  return length(outside) + std::min(std::max({q.x, q.y, q.z}), 0.0f);
}

/// A flat outline at distance `flat` given a thickness, with rounded edges.
float extrude(float flat, float z, float half, float rounding) {
  float x = flat + rounding, y = std::abs(z) - half + rounding;
  return std::min(std::max(x, y), 0.0f) + length(std::max(x, 0.0f), std::max(y, 0.0f)) - rounding;
}

/// A hexagon with this radius from center to corner.
float hexagon(float x, float y, float corner) {
  float flat = corner * 0.8660254f;
  x = std::abs(x);
  y = std::abs(y);
  float fold = 2 * std::min(-0.8660254f * x + 0.5f * y, 0.0f);
  x -= fold * -0.8660254f;
  y -= fold * 0.5f;
  float side = corner * 0.5f;
  float dx = x - std::clamp(x, -side, side), dy = y - flat;
  return std::copysign(length(dx, dy), dy);
}

/// The point turned into the first of `count` equal sectors around z.
Vec2 fold_sector(float x, float y, int count) {
  float sector = 2 * pi / static_cast<float>(count);
  float angle = std::atan2(y, x);
  angle -= sector * std::round(angle / sector);
  float r = length(x, y);
  return {r * std::cos(angle), r * std::sin(angle)};
}

/// Height of a thread's ridge, 0 to 1, around z.
float thread(Vec3 p, float pitch) {
  float turn = p.z / pitch + std::atan2(p.y, p.x) / (2 * pi);
  return std::abs(2 * (turn - std::floor(turn)) - 1);
}

float washer(const Shape& s, Vec3 p) {
  float r = length(p.x, p.y);
  float middle = (s.outer + s.inner) / 2;
  float lift = s.style == 1 ? 0.18f * (r - s.inner) : 0;  // a conical spring washer
  return extrude(std::abs(r - middle) - (s.outer - s.inner) / 2, p.z + lift, s.half, s.smallest);
}

float nut(const Shape& s, Vec3 p) {
  float r = length(p.x, p.y);
  float outline = hexagon(p.x, p.y, s.outer);
  float body = extrude(outline, p.z, s.half, s.smallest);
  body =
      std::max(body, (r - s.outer * 0.98f + std::max(std::abs(p.z) - s.half * 0.72f, 0.0f) * 1.7f) * 0.5f);  // chamfer
  if (s.style == 1)
    body = std::min(body, extrude(r - s.outer * 1.12f, p.z + s.half * 0.82f, s.half * 0.16f, s.smallest));
  float hole = r - s.inner + 0.045f * thread(p, s.pitch) - std::max(std::abs(p.z) - s.half + 0.06f, 0.0f);
  return std::max(body, -hole);
}

float gear(const Shape& s, Vec3 p) {
  float r = length(p.x, p.y);
  float root = s.outer - s.head;
  Vec2 q = fold_sector(p.x, p.y, s.count);
  float depth = (q.x - root) / s.head;
  float half_tooth =
      root * std::sin(pi / static_cast<float>(s.count)) * s.width * (1.25f - 0.6f * std::clamp(depth, 0.0f, 1.2f));
  float tooth = std::max({std::abs(q.y) - half_tooth, q.x - s.outer, root * 0.8f - q.x});
  float outline = std::min(r - root, tooth);
  float body = extrude(outline, p.z, s.half, s.smallest);
  if (s.style == 1) body = std::min(body, extrude(r - s.inner * 1.7f, p.z, s.half * 1.8f, s.smallest));  // hub
  if (s.style == 2) {  // a thinner web between hub and rim
    float web = std::max(std::abs(r - (s.inner * 1.6f + root * 0.82f) / 2) - (root * 0.82f - s.inner * 1.6f) / 2,
                         s.half * 0.45f - std::abs(p.z));
    body = std::max(body, -web);
  }
  float hole = r - s.inner;
  hole =
      std::min(hole, std::max(std::abs(p.x) - s.inner * 0.28f, std::abs(p.y - s.inner) - s.inner * 0.32f));  // keyway
  if (s.detail > 0) {
    Vec2 h = fold_sector(p.x, p.y, 5);
    hole = std::min(hole, length(h.x - (s.inner * 1.5f + root * 0.88f) / 2, h.y) - s.detail);
  }
  return std::max(body, -hole);
}

float bolt(const Shape& s, Vec3 p) {
  float r = length(p.x, p.y);
  float top = s.half - s.head;  // the head's center on z
  Vec3 h{p.x, p.y, p.z - top};
  float head;
  if (s.style == 0) {  // hexagon
    head = extrude(hexagon(h.x, h.y, s.outer), h.z, s.head, s.smallest);
    head = std::max(head, (r - s.outer * 0.98f + std::max(h.z - s.head * 0.5f, 0.0f) * 1.5f) * 0.55f);
  } else if (s.style == 1) {  // socket cap
    head = extrude(r - s.outer * 0.9f, h.z, s.head * 1.2f, s.smallest);
    head = std::max(head, -std::max(hexagon(h.x, h.y, s.outer * 0.5f), s.head * 0.1f - h.z));
  } else {  // dome with a cross
    head = std::max(length({h.x, h.y, (h.z + s.head) * s.outer / (s.head * 1.7f)}) - s.outer, -h.z - s.head) * 0.6f;
    float cross_slot = std::max(std::min(std::max(std::abs(h.x) - 0.05f, std::abs(h.y) - s.outer * 0.5f),
                                         std::max(std::abs(h.y) - 0.05f, std::abs(h.x) - s.outer * 0.5f)),
                                s.head * 0.05f - h.z);
    head = std::max(head, -cross_slot);
  }
  float bottom = -s.half, neck = top - s.head;
  float threaded = mix(bottom, neck, s.width);
  float shaft_radius = s.inner - (p.z < threaded ? 0.04f * (1 - thread(p, s.pitch)) : 0);
  shaft_radius -= std::max(bottom + s.inner * 0.4f - p.z, 0.0f) * 0.6f;  // a chamfered tip
  float shaft = extrude(r - shaft_radius, p.z - (bottom + neck) / 2, (neck - bottom) / 2 + 0.02f, 0.01f) * 0.75f;
  return std::min(head, shaft);
}

float bracket(const Shape& s, Vec3 p) {
  // Legs along +x and +z from the corner at (-outer, *, -half).
  float t = s.inner;
  Vec3 a = p - Vec3{0, 0, -s.half + t}, b = p - Vec3{-s.outer + t, 0, 0};
  float round = s.smallest;
  float level = box(a, {s.outer - round, s.width - round, t - round}) - round;
  float upright = box(b, {t - round, s.width - round, s.half - round}) - round;
  float body = std::min(level, upright);
  if (s.style != 0) {  // a gusset in the middle, or one at each side
    float slope = ((p.x + s.outer) / s.outer + (p.z + s.half) / s.half - 1.15f) * 0.5f * std::min(s.outer, s.half);
    float y = s.style == 1 ? std::abs(p.y) - t * 0.7f : std::abs(std::abs(p.y) - s.width + t * 0.7f) - t * 0.7f;
    float plate = std::max({slope * 0.8f, y, -p.x - s.outer + t, -p.z - s.half + t});
    body = std::min(body, plate);
  }
  float hole = 1e3f;
  for (int i = 0; i < s.count; ++i) {
    float along = s.count == 1 ? 0.35f : (i == 0 ? -0.2f : 0.62f);
    hole = std::min(hole, std::max(length(p.x - along * s.outer, p.y) - s.detail, std::abs(a.z) - t * 2));
    hole = std::min(hole, std::max(length(p.z - along * s.half, p.y) - s.detail, std::abs(b.x) - t * 2));
  }
  return std::max(body, -hole);
}

float spring(const Shape& s, Vec3 p) {
  float angle = std::atan2(p.y, p.x) / (2 * pi);
  float turns = static_cast<float>(s.count);
  float start = -s.pitch * turns / 2;
  float turn = std::clamp(std::round((p.z - start) / s.pitch - angle), 0.0f, turns);
  float height = start + s.pitch * std::clamp(turn + angle, 0.0f, turns);
  float slope = s.outer * 2 * pi / length(s.outer * 2 * pi, s.pitch);
  float out = length(p.x, p.y) - s.outer;
  return (length(out, (p.z - height) * slope) - s.inner) * 0.85f;
}

void add_rim(std::vector<Vec3>& points, float radius, float z, int count = 24) {
  for (int i = 0; i < count; ++i) {
    float angle = 2 * pi * static_cast<float>(i) / static_cast<float>(count);
    points.push_back({radius * std::cos(angle), radius * std::sin(angle), z});
  }
}
}  // namespace

float Shape::distance(Vec3 p) const {
  switch (kind) {
    case Kind::washer:
      return washer(*this, p);
    case Kind::nut:
      return nut(*this, p);
    case Kind::gear:
      return gear(*this, p);
    case Kind::bolt:
      return bolt(*this, p);
    case Kind::bracket:
      return bracket(*this, p);
    case Kind::spring:
      return spring(*this, p);
    case Kind::ball:
      return length(p) - outer;
    case Kind::pin:
      return length(p - Vec3{0, 0, std::clamp(p.z, -half, half)}) - outer;
    case Kind::block:
      return box(p, {outer - smallest, width - smallest, half - smallest}) - smallest;
    case Kind::disc:
      return extrude(length(p.x, p.y) - outer, p.z, half, smallest);
  }
  return 1e3f;
}

std::vector<Vec3> Shape::support() const {
  std::vector<Vec3> points;
  switch (kind) {
    case Kind::washer:
    case Kind::gear:
    case Kind::disc:
      for (float side : {-1.0f, 1.0f}) add_rim(points, outer, side * half);
      break;
    case Kind::nut:
      for (float side : {-1.0f, 1.0f}) add_rim(points, outer, side * half, 6);
      break;
    case Kind::bolt:
      add_rim(points, outer * (style == 1 ? 0.9f : 1.0f), half - 2 * head, style == 0 ? 6 : 24);
      add_rim(points, outer * (style == 2 ? 0.5f : 0.9f), half, style == 0 ? 6 : 24);
      add_rim(points, inner * 0.8f, -half);
      break;
    case Kind::spring: {
      float end = pitch * static_cast<float>(count) / 2;
      for (float side : {-1.0f, 1.0f}) {
        add_rim(points, outer + inner, side * end);
        add_rim(points, outer, side * (end + inner));
      }
      break;
    }
    case Kind::ball:
      points.push_back({0, 0, 0});
      break;
    case Kind::pin:
      points = {{0, 0, -half}, {0, 0, half}};
      break;
    case Kind::bracket:
      for (float side : {-1.0f, 1.0f})
        for (Vec3 corner : {Vec3{-outer, 0, -half}, Vec3{outer, 0, -half}, Vec3{-outer, 0, half}})
          points.push_back({corner.x, side * width, corner.z});
      break;
    case Kind::block:
      for (float x : {-1.0f, 1.0f})
        for (float y : {-1.0f, 1.0f})
          for (float z : {-1.0f, 1.0f}) points.push_back({x * outer, y * width, z * half});
      break;
  }
  return points;
}

namespace {
Shape make_washer(Rng& rng) {
  Shape s{.kind = Kind::washer, .radius = 1.08f, .outer = 1};
  s.inner = real(rng, 0.36, 0.68);
  s.half = real(rng, 0.035, 0.12);
  s.style = rng.chance(0.2) ? 1 : 0;
  return s;
}

Shape make_nut(Rng& rng) {
  Shape s{.kind = Kind::nut, .outer = 0.95f};
  s.inner = real(rng, 0.42, 0.58);
  s.half = real(rng, 0.26, 0.5);
  s.pitch = real(rng, 0.09, 0.16);
  s.style = rng.chance(0.2) ? 1 : 0;
  s.radius = 1.28f;
  return s;
}

Shape make_gear(Rng& rng) {
  Shape s{.kind = Kind::gear, .outer = 1};
  s.count = rng.between(9, 26);
  s.head = std::clamp(3.6f / static_cast<float>(s.count), 0.13f, 0.28f) * real(rng, 0.8, 1.15);
  s.width = real(rng, 0.46, 0.58);
  s.inner = real(rng, 0.14, 0.3);
  s.half = real(rng, 0.09, 0.32);
  s.style = rng.between(0, 2);
  s.detail = rng.chance(0.4) ? real(rng, 0.08, 0.15) : 0;
  s.radius = 1.2f;
  return s;
}

Shape make_bolt(Rng& rng) {
  Shape s{.kind = Kind::bolt, .radius = 1.12f};
  s.half = 0.98f;
  s.outer = real(rng, 0.34, 0.5);
  s.inner = s.outer * real(rng, 0.46, 0.6);
  s.head = s.outer * real(rng, 0.3, 0.42);
  s.pitch = real(rng, 0.07, 0.14);
  s.width = real(rng, 0.5, 1.0);
  s.style = rng.between(0, 2);
  return s;
}

Shape make_bracket(Rng& rng) {
  Shape s{.kind = Kind::bracket};
  s.outer = real(rng, 0.5, 0.78);
  s.half = real(rng, 0.5, 0.78);
  s.width = real(rng, 0.25, 0.55);
  s.inner = real(rng, 0.035, 0.07);
  s.detail = s.width * real(rng, 0.28, 0.45);
  s.count = rng.between(1, 2);
  s.style = rng.between(0, 2);
  s.radius = 1.02f * length({s.outer, s.width, s.half});
  return s;
}

Shape make_spring(Rng& rng) {
  Shape s{.kind = Kind::spring};
  s.outer = real(rng, 0.26, 0.52);
  s.inner = real(rng, 0.045, 0.09);
  s.pitch = s.inner * (rng.chance(0.3) ? real(rng, 2.15, 2.6) : real(rng, 3.2, 5.5));
  float length_wanted = real(rng, 1.0, 1.75);
  s.count = std::clamp(static_cast<int>(length_wanted / s.pitch), 3, 11);
  s.radius = 1.05f * length(s.outer + s.inner, s.pitch * static_cast<float>(s.count) / 2 + s.inner);
  return s;
}
}  // namespace

Shape random_part(const std::string& name, Rng& rng) {
  Shape shape;
  if (name == "bolt") shape = make_bolt(rng);
  if (name == "bracket") shape = make_bracket(rng);
  if (name == "gear") shape = make_gear(rng);
  if (name == "nut") shape = make_nut(rng);
  if (name == "spring") shape = make_spring(rng);
  if (name == "washer") shape = make_washer(rng);
  return shape;
}

Shape random_clutter(float radius, Rng& rng) {
  Shape s;
  s.outer = s.width = s.half = radius;
  s.smallest = radius * 0.12f;
  switch (rng.below(4)) {
    case 0:
      s.kind = Kind::ball;
      s.outer = radius * 0.7f;
      break;
    case 1:
      s.kind = Kind::pin;
      s.outer = radius * real(rng, 0.12, 0.3);
      s.half = radius - s.outer;
      break;
    case 2:
      s.kind = Kind::block;
      s.outer = radius * real(rng, 0.3, 0.75);
      s.width = radius * real(rng, 0.2, 0.6);
      s.half = radius * real(rng, 0.15, 0.4);
      break;
    default:
      s.kind = Kind::disc;
      s.outer = radius * real(rng, 0.4, 0.8);
      s.half = radius * real(rng, 0.15, 0.5);
  }
  s.radius = radius * 1.1f;
  return s;
}

Rotation random_pose(const Shape& shape, Rng& rng) {
  float spin = real(rng, 0, 2 * pi), heading = real(rng, 0, 2 * pi);
  double choice = rng.uniform();
  bool flat_kind =
      shape.kind == Kind::washer || shape.kind == Kind::nut || shape.kind == Kind::gear || shape.kind == Kind::disc;
  if (flat_kind) {
    bool has_flange = shape.kind == Kind::nut && shape.style == 1;
    if (choice < 0.66) return make_rotation(spin, has_flange || rng.chance(0.5) ? 0 : pi, heading);
    if (choice < 0.9) return make_rotation(spin, real(rng, 0.05, 0.6), heading);  // leans on something
    return make_rotation(spin, real(rng, 1.25, 1.57), heading);
  }
  if (shape.kind == Kind::bracket) {
    if (choice < 0.35) return make_rotation(0, rng.chance(0.5) ? pi / 2 : -pi / 2, heading);  // on its side
    float tent = pi + std::atan2(shape.half, shape.outer);  // on the ends of both legs
    return make_rotation(pi / 2, choice < 0.75 ? 0 : tent, heading);
  }
  if (choice < 0.72) {  // lying: the axis is tipped until head and tip touch
    float tip = pi / 2;
    if (shape.kind == Kind::bolt) tip += std::atan2(shape.outer - shape.inner, 1.8f) * (rng.chance(0.8) ? 1.0f : -1.0f);
    return make_rotation(spin, tip, heading);
  }
  float upright = shape.kind == Kind::bolt ? pi : 0;  // a bolt stands on its head
  return make_rotation(spin, upright + real(rng, -0.15, 0.15), heading);
}

}  // namespace hone::parts
