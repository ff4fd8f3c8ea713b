// Run-length masks with the conventions of the COCO API (its maskApi: column-major runs, 6-bit text, polygon filling).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/error.hpp"
#include "data/annotation.hpp"

namespace hone {

namespace {
struct Point {
  int x = 0, y = 0;
};

/// The points of an edge, one for each step along its longer side.
void trace_edge(Point from, Point to, std::vector<Point>& points) {
  int dx = std::abs(to.x - from.x), dy = std::abs(from.y - to.y);
  bool swap = (dx >= dy && from.x > to.x) || (dx < dy && from.y > to.y);
  if (swap) std::swap(from, to);
  double slope =
      dx >= dy ? (dx ? static_cast<double>(to.y - from.y) / dx : 0) : static_cast<double>(to.x - from.x) / dy;
  int steps = std::max(dx, dy);
  for (int d = 0; d <= steps; ++d) {
    int t = swap ? steps - d : d;
    if (dx >= dy)
      points.push_back({t + from.x, static_cast<int>(from.y + slope * t + .5)});
    else
      points.push_back({static_cast<int>(from.x + slope * t + .5), t + from.y});
  }
}

/// Column-major positions where the outline enters or leaves the object.
std::vector<uint32_t> crossings(const std::vector<Point>& points, int height, int width) {
  constexpr double scale = 5;
  std::vector<uint32_t> positions;
  for (size_t j = 1; j < points.size(); ++j) {
    if (points[j].x == points[j - 1].x) continue;
    double x = points[j].x < points[j - 1].x ? points[j].x : points[j].x - 1;
    x = (x + .5) / scale - .5;
    if (std::floor(x) != x || x < 0 || x > width - 1) continue;
    double y = points[j].y < points[j - 1].y ? points[j].y : points[j - 1].y;
    y = std::ceil(std::clamp((y + .5) / scale - .5, 0.0, static_cast<double>(height)));
    positions.push_back(static_cast<uint32_t>(x) * static_cast<uint32_t>(height) + static_cast<uint32_t>(y));
  }
  positions.push_back(static_cast<uint32_t>(height) * static_cast<uint32_t>(width));
  std::sort(positions.begin(), positions.end());
  return positions;
}

/// Runs from ascending positions of changes; runs of length 0 between others are taken out.
Rle from_changes(const std::vector<uint32_t>& positions, int height, int width) {
  std::vector<uint32_t> runs;
  uint32_t previous = 0;
  for (uint32_t position : positions) {
    runs.push_back(position - previous);
    previous = position;
  }
  Rle rle{height, width, {}};
  size_t i = 0;
  rle.counts.push_back(runs[i++]);
  while (i < runs.size()) {
    if (runs[i] > 0) {
      rle.counts.push_back(runs[i++]);
    } else if (++i < runs.size()) {
      rle.counts.back() += runs[i++];
    }
  }
  return rle;
}

Rle fill(const Polygon& polygon, int height, int width) {
  constexpr double scale = 5;
  // Far beyond the image nothing is filled; the limit keeps a hostile coordinate from costing memory.
  double limit = 4.0 * (std::max(height, width) + 1);
  std::vector<Point> corners, outline;
  for (size_t i = 0; i + 1 < polygon.size(); i += 2) {
    double x = std::clamp(polygon[i], -limit, limit), y = std::clamp(polygon[i + 1], -limit, limit);
    corners.push_back({static_cast<int>(scale * x + .5), static_cast<int>(scale * y + .5)});
  }
  if (corners.empty()) return {height, width, {static_cast<uint32_t>(height) * static_cast<uint32_t>(width)}};
  for (size_t i = 0; i < corners.size(); ++i) trace_edge(corners[i], corners[(i + 1) % corners.size()], outline);
  return from_changes(crossings(outline, height, width), height, width);
}

/// Walks two masks together; `body(length, in_a, in_b)` for each stretch where both are constant.
template <class Body>
void walk(const Rle& a, const Rle& b, Body&& body) {
  size_t i = 0, j = 0;
  uint32_t left_a = a.counts.empty() ? 0 : a.counts[0], left_b = b.counts.empty() ? 0 : b.counts[0];
  while (i < a.counts.size() && j < b.counts.size()) {
    uint32_t length = std::min(left_a, left_b);
    if (length > 0) body(length, i % 2 == 1, j % 2 == 1);
    left_a -= length;
    left_b -= length;
    if (left_a == 0 && ++i < a.counts.size()) left_a = a.counts[i];
    if (left_b == 0 && ++j < b.counts.size()) left_b = b.counts[j];
  }
}

class RunWriter {
 public:
  RunWriter(int height, int width) : rle_{height, width, {0}} {}
  void add(uint32_t length, bool set) {
    if (set == set_) {
      rle_.counts.back() += length;
    } else {
      rle_.counts.push_back(length);
      set_ = set;
    }
  }
  Rle take() { return std::move(rle_); }

 private:
  Rle rle_;
  bool set_ = false;
};
}  // namespace

void require_valid(const Rle& rle) {
  uint64_t total = 0;
  for (uint32_t count : rle.counts) total += count;
  auto expected = static_cast<uint64_t>(rle.height) * static_cast<uint64_t>(rle.width);
  if (rle.height < 1 || rle.width < 1 || total != expected)
    throw Error("mask",
                fmt::format("its runs cover {} pixels, expected {}x{} = {}", total, rle.width, rle.height, expected));
}

Rle encode_rle(const Tensor& mask) {
  if (mask.dtype() != DType::u8 || mask.rank() != 2)
    throw Error("mask", fmt::format("expected u8 [H, W], got {} {}", name_of(mask.dtype()), to_string(mask.dims())));
  auto height = static_cast<int>(mask.dim(0)), width = static_cast<int>(mask.dim(1));
  auto values = mask.data<uint8_t>();
  RunWriter writer(height, width);
  for (int x = 0; x < width; ++x)
    for (int y = 0; y < height; ++y)
      writer.add(1, values[static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)] != 0);
  return writer.take();
}

Tensor decode_rle(const Rle& rle) {
  require_valid(rle);
  Tensor mask = Tensor::zeros(DType::u8, {rle.height, rle.width});
  auto values = mask.mutable_data<uint8_t>();
  size_t position = 0;
  bool set = false;
  for (uint32_t count : rle.counts) {
    for (uint32_t i = 0; i < count; ++i, ++position) {
      size_t x = position / static_cast<size_t>(rle.height), y = position % static_cast<size_t>(rle.height);
      if (set) values[y * static_cast<size_t>(rle.width) + x] = 1;
    }
    set = !set;
  }
  return mask;
}

Rle rasterize(const std::vector<Polygon>& polygons, int height, int width) {
  if (height < 1 || width < 1)
    throw Error("mask", fmt::format("expected a size of at least 1x1, got {}x{}", width, height));
  Rle all{height, width, {static_cast<uint32_t>(height) * static_cast<uint32_t>(width)}};
  for (size_t i = 0; i < polygons.size(); ++i) {
    Rle one = fill(polygons[i], height, width);
    all = i == 0 ? std::move(one) : united(all, one);
  }
  return all;
}

std::string rle_to_text(const Rle& rle) {
  std::string text;
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    int64_t x = rle.counts[i];
    if (i > 2) x -= static_cast<int64_t>(rle.counts[i - 2]);
    for (bool more = true; more;) {
      int64_t c = x & 0x1f;
      x >>= 5;
      more = (c & 0x10) ? x != -1 : x != 0;
      if (more) c |= 0x20;
      text += static_cast<char>(c + 48);
    }
  }
  return text;
}

Rle parse_rle(std::string_view text, int height, int width) {
  Rle rle{height, width, {}};
  for (size_t p = 0; p < text.size();) {
    int64_t x = 0;
    int shift = 0;
    for (bool more = true; more; ++p) {
      if (p >= text.size() || shift > 55) throw Error("mask", "the compressed run lengths are cut off or damaged");
      int c = static_cast<unsigned char>(text[p]) - 48;
      if (c < 0 || c > 63)
        throw Error("mask", fmt::format("character {} of the compressed run lengths is not valid", p + 1));
      x |= static_cast<int64_t>(c & 0x1f) << shift;
      more = (c & 0x20) != 0;
      shift += 5;
      if (!more && (c & 0x10)) x |= -(int64_t{1} << shift);
    }
    if (rle.counts.size() > 2) x += static_cast<int64_t>(rle.counts[rle.counts.size() - 2]);
    if (x < 0 || x > int64_t{1} << 31) throw Error("mask", "the compressed run lengths are damaged");
    rle.counts.push_back(static_cast<uint32_t>(x));
  }
  require_valid(rle);
  return rle;
}

int64_t area(const Rle& rle) {
  int64_t total = 0;
  for (size_t i = 1; i < rle.counts.size(); i += 2) total += rle.counts[i];
  return total;
}

Box bounding_box(const Rle& rle) {
  uint32_t height = static_cast<uint32_t>(rle.height), position = 0;
  uint32_t left = UINT32_MAX, top = UINT32_MAX, right = 0, bottom = 0;
  for (size_t i = 0; i < rle.counts.size(); ++i) {
    uint32_t begin = position, end = position + rle.counts[i];
    position = end;
    if (i % 2 == 0 || begin == end || height == 0) continue;
    left = std::min(left, begin / height);
    right = std::max(right, (end - 1) / height);
    bool columns = begin / height < (end - 1) / height;  // reaches the next column: all rows
    top = std::min(top, columns ? 0 : begin % height);
    bottom = std::max(bottom, columns ? height - 1 : (end - 1) % height);
  }
  if (left == UINT32_MAX) return {};
  return {static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left + 1),
          static_cast<double>(bottom - top + 1)};
}

int64_t intersection(const Rle& a, const Rle& b) {
  if (a.height != b.height || a.width != b.width) return 0;
  int64_t common = 0;
  walk(a, b, [&](uint32_t length, bool in_a, bool in_b) { common += in_a && in_b ? length : 0; });
  return common;
}

Rle united(const Rle& a, const Rle& b) {
  if (a.height != b.height || a.width != b.width)
    throw Error("mask", fmt::format("cannot unite {}x{} with {}x{}", a.width, a.height, b.width, b.height));
  RunWriter writer(a.height, a.width);
  walk(a, b, [&](uint32_t length, bool in_a, bool in_b) { writer.add(length, in_a || in_b); });
  return writer.take();
}

}  // namespace hone
