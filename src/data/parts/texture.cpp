#include "data/parts/texture.hpp"

#include <numbers>
#include <opencv2/imgproc.hpp>

namespace hone::parts {

namespace {
constexpr int texture_size = 256;

cv::Scalar scalar(Vec3 color) { return {color.x, color.y, color.z}; }

/// Uniform noise in [0, 1] of `rows` x `columns` cells, stretched to the whole texture.
cv::Mat cells(int rows, int columns, Rng& rng) {
  cv::Mat small(rows, columns, CV_32F), large;
  for (int i = 0; i < rows * columns; ++i)
    small.at<float>(i / columns, i % columns) = static_cast<float>(rng.uniform());
  cv::resize(small, large, {texture_size, texture_size}, 0, 0, cv::INTER_CUBIC);
  return large;
}

/// Octaves of noise from `rows` x `columns` cells up, in about [0, 1].
cv::Mat octaves(int rows, int columns, Rng& rng, double persistence = 0.55) {
  cv::Mat sum = cv::Mat::zeros(texture_size, texture_size, CV_32F);
  double weight = 1, total = 0;
  for (; rows <= texture_size && columns <= texture_size; rows *= 2, columns *= 2) {
    sum += cells(rows, columns, rng) * weight;
    total += weight;
    weight *= persistence;
  }
  return sum / total;
}

/// The color a where `amount` is 0 to the color b where it is 1.
cv::Mat blend(Vec3 a, Vec3 b, const cv::Mat& amount) {
  cv::Mat channels[3] = {amount * (b.x - a.x) + a.x, amount * (b.y - a.y) + a.y, amount * (b.z - a.z) + a.z};
  cv::Mat result;
  cv::merge(channels, 3, result);
  return result;
}

cv::Mat wood(Rng& rng) {
  cv::Mat grain = octaves(3, 48, rng, 0.7), waves = octaves(4, 2, rng), rings;
  cv::Mat phase = waves * rng.uniform(20, 60);
  rings.create(phase.size(), CV_32F);
  for (int y = 0; y < phase.rows; ++y)
    for (int x = 0; x < phase.cols; ++x)
      rings.at<float>(y, x) = 0.5f + 0.5f * std::sin(phase.at<float>(y, x) + 0.25f * static_cast<float>(x));
  float dark = static_cast<float>(rng.uniform(0.3, 1));
  return blend(Vec3{0.16f, 0.08f, 0.035f} * dark, Vec3{0.62f, 0.4f, 0.22f} * dark, grain * 0.7 + rings * 0.3);
}

cv::Mat concrete(Rng& rng) {
  Vec3 base = random_color(rng, 0.12, 0.08, 0.5);
  cv::Mat result = blend(base * 0.55f, base * 1.35f, octaves(4, 4, rng, 0.75));
  for (int i = rng.between(20, 120); i > 0; --i) {
    cv::Point at(rng.between(0, texture_size), rng.between(0, texture_size));
    cv::circle(result, at, rng.between(0, 2), scalar(base * static_cast<float>(rng.uniform(0.3, 1.6))), -1,
               cv::LINE_AA);
  }
  return result;
}

cv::Mat fabric(Rng& rng) {
  Vec3 a = random_color(rng, 0.6, 0.03, 0.6), b = random_color(rng, 0.5, 0.03, 0.6);
  if (rng.chance(0.6)) b = a * 1.7f;
  double across = 2 * std::numbers::pi / rng.between(4, 24);
  cv::Mat amount = octaves(8, 8, rng), plaid = amount.clone();
  bool checked = rng.chance(0.4);
  for (int y = 0; y < amount.rows; ++y)
    for (int x = 0; x < amount.cols; ++x) {
      double warp = std::sin(x * across), weft = std::sin(y * across);
      double value = checked ? 0.5 * (warp > 0) + 0.5 * (weft > 0) : 0.5 + 0.25 * (warp + weft);
      plaid.at<float>(y, x) = static_cast<float>(0.75 * value + 0.25 * amount.at<float>(y, x));
    }
  return blend(a, b, plaid);
}

cv::Mat brushed_metal(Rng& rng) {
  Vec3 base = random_color(rng, 0.1, 0.12, 0.55);
  cv::Mat result = blend(base * 0.6f, base * 1.3f, octaves(2, 128, rng) * 0.6 + octaves(3, 3, rng) * 0.4);
  for (int i = rng.between(0, 14); i > 0; --i) {
    cv::Point from(rng.between(0, texture_size), rng.between(0, texture_size));
    cv::Point to = from + cv::Point(rng.between(-90, 90), rng.between(-90, 90));
    cv::line(result, from, to, scalar(base * static_cast<float>(rng.uniform(0.6, 1.9))), 1, cv::LINE_AA);
  }
  return result;
}

cv::Mat mat_with_grid(Rng& rng) {
  Vec3 base = random_color(rng, 0.7, 0.03, 0.35);
  cv::Mat result = blend(base * 0.85f, base * 1.15f, octaves(16, 16, rng, 0.9));
  cv::Scalar line = scalar(rng.chance(0.5) ? base * 2.2f + Vec3{0.06f, 0.06f, 0.06f} : base * 0.4f);
  int step = rng.between(12, 48);
  for (int at = step / 2; at < texture_size; at += step) {
    cv::line(result, {at, 0}, {at, texture_size}, line, 1, cv::LINE_AA);
    cv::line(result, {0, at}, {texture_size, at}, line, 1, cv::LINE_AA);
  }
  return result;
}

cv::Mat paper(Rng& rng) {
  Vec3 base = rng.chance(0.5) ? Vec3{0.75f, 0.74f, 0.7f} : Vec3{0.42f, 0.29f, 0.17f};  // white, or cardboard
  return blend(base * 0.8f, base * 1.1f, octaves(2, 2, rng) * 0.6 + octaves(64, 16, rng) * 0.4);
}

/// What lies flat on a bench: pencil and marker strokes, print, tape, oil stains.
void add_marks(cv::Mat& surface, Rng& rng) {
  auto point = [&] { return cv::Point(rng.between(0, texture_size), rng.between(0, texture_size)); };
  for (int i = rng.between(0, 6); i > 0; --i) {
    cv::Scalar color = scalar(random_color(rng, 0.8, 0.01, 0.7));
    cv::Point a = point(), b = point();
    switch (rng.below(5)) {
      case 0:
        cv::line(surface, a, b, color, rng.between(1, 3), cv::LINE_AA);
        break;
      case 1:
        cv::putText(surface, "M" + std::to_string(rng.between(2, 980)), a, cv::FONT_HERSHEY_SIMPLEX,
                    rng.uniform(0.4, 1.2), color, rng.between(1, 2), cv::LINE_AA);
        break;
      case 2: {
        cv::RotatedRect tape(
            a, cv::Size2f(static_cast<float>(rng.uniform(30, 140)), static_cast<float>(rng.uniform(8, 40))),
            static_cast<float>(rng.uniform(0, 180)));
        cv::Point2f corners[4];
        tape.points(corners);
        std::vector<cv::Point> outline(corners, corners + 4);
        cv::fillConvexPoly(surface, outline, color, cv::LINE_AA);
        break;
      }
      case 3:
        cv::ellipse(surface, a, {rng.between(8, 60), rng.between(8, 60)}, rng.uniform(0, 180), rng.uniform(0, 180),
                    rng.uniform(180, 360), color, rng.between(1, 3), cv::LINE_AA);
        break;
      default: {
        cv::Mat stain = surface.clone();
        cv::circle(stain, a, rng.between(8, 50), color * 0.3, -1, cv::LINE_AA);
        cv::GaussianBlur(stain, stain, {0, 0}, rng.uniform(1, 6));
        cv::addWeighted(surface, 0.6, stain, 0.4, 0, surface);
      }
    }
  }
}

float lattice(int x, int y, int z, uint32_t seed) {
  uint32_t h = seed + static_cast<uint32_t>(x) * 0x8DA6B343u + static_cast<uint32_t>(y) * 0xD8163841u +
               static_cast<uint32_t>(z) * 0xCB1AB31Fu;
  h ^= h >> 13;
  h *= 0x5BD1E995u;
  h ^= h >> 15;
  return static_cast<float>(h & 0xFFFFFF) * (2.0f / 0xFFFFFF) - 1;
}
}  // namespace

cv::Mat random_surface(Rng& rng) {
  cv::Mat surface;
  switch (rng.below(6)) {
    case 0:
      surface = wood(rng);
      break;
    case 1:
      surface = concrete(rng);
      break;
    case 2:
      surface = fabric(rng);
      break;
    case 3:
      surface = brushed_metal(rng);
      break;
    case 4:
      surface = mat_with_grid(rng);
      break;
    default:
      surface = paper(rng);
  }
  add_marks(surface, rng);
  return cv::max(surface, 0.004);
}

Vec3 sample_surface(const cv::Mat& texture, float u, float v) {
  auto mirrored = [](float t, int size) {
    t = std::abs(t - 2 * std::floor(t / 2));  // 0 to 2
    return (t > 1 ? 2 - t : t) * static_cast<float>(size - 1);
  };
  float x = mirrored(u, texture.cols), y = mirrored(v, texture.rows);
  int x0 = std::clamp(static_cast<int>(x), 0, texture.cols - 2),
      y0 = std::clamp(static_cast<int>(y), 0, texture.rows - 2);
  auto at = [&](int row, int column) {
    const float* pixel = texture.ptr<float>(row) + column * 3;
    return Vec3{pixel[0], pixel[1], pixel[2]};
  };
  float fx = x - static_cast<float>(x0), fy = y - static_cast<float>(y0);
  return mix(mix(at(y0, x0), at(y0, x0 + 1), fx), mix(at(y0 + 1, x0), at(y0 + 1, x0 + 1), fx), fy);
}

float noise(Vec3 p, uint32_t seed) {
  float fx = std::floor(p.x), fy = std::floor(p.y), fz = std::floor(p.z);
  int x = static_cast<int>(fx), y = static_cast<int>(fy), z = static_cast<int>(fz);
  float u = smoothstep(0, 1, p.x - fx), v = smoothstep(0, 1, p.y - fy), w = smoothstep(0, 1, p.z - fz);
  auto edge = [&](int dy, int dz) {
    return mix(lattice(x, y + dy, z + dz, seed), lattice(x + 1, y + dy, z + dz, seed), u);
  };
  return mix(mix(edge(0, 0), edge(1, 0), v), mix(edge(0, 1), edge(1, 1), v), w);
}

Vec3 random_color(Rng& rng, double saturation, double darkest, double brightest) {
  double hue = rng.uniform(0, 2 * std::numbers::pi), strength = rng.uniform(0, saturation);
  double level = darkest * std::pow(brightest / darkest, rng.uniform());
  auto channel = [&](double shift) { return static_cast<float>(level * (1 + strength * std::cos(hue + shift))); };
  return {channel(0), channel(2.0944), channel(4.1888)};
}

}  // namespace hone::parts
