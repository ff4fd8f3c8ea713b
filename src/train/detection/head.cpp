#include "train/detection/head.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

namespace {

constexpr const char* head_key = "hone.head";
constexpr std::array kinds = {HeadKind::ssd, HeadKind::atss, HeadKind::yolox};

[[noreturn]] void fail(const std::string& problem) {
  throw Error("detector head", problem, "the metadata of this file was changed; train or build the detector again");
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

template <class T>
T number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0) || !(value < T(1e6)))
    fail(fmt::format("'{}' is no size", text));
  return value;
}

template <class T>
std::array<T, 2> pair(std::string_view text) {
  auto parts = split(text, 'x');
  if (parts.size() != 2) fail(fmt::format("'{}' is no pair of sizes", text));
  return {number<T>(parts[0]), number<T>(parts[1])};
}

HeadLevel parse_level(std::string_view text) {
  auto parts = split(text, ':');
  if (parts.size() != 3) fail(fmt::format("level '{}' is not HxW:step:anchors", text));
  HeadLevel level;
  auto [height, width] = pair<int64_t>(parts[0]);
  level.height = height, level.width = width;
  level.step = number<float>(parts[1]);
  for (std::string_view anchor : split(parts[2], ',')) level.anchors.push_back(pair<float>(anchor));
  return level;
}

}  // namespace

float iou(const Corners& a, const Corners& b) {
  float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  if (!(width > 0 && height > 0)) return 0;
  float both = width * height, either = a.area() + b.area() - both;
  return either > 0 ? both / either : 0;
}

const char* name_of(HeadKind kind) {
  switch (kind) {
    case HeadKind::ssd: return "ssd";
    case HeadKind::atss: return "atss";
    case HeadKind::yolox: return "yolox";
  }
  return "";
}

int64_t DetectorHead::anchor_count() const {
  int64_t count = 0;
  for (const HeadLevel& level : levels)
    count += level.height * level.width * static_cast<int64_t>(level.anchors.size());
  return count;
}

DetectorHead DetectorHead::resized(int64_t to_height, int64_t to_width) const {
  DetectorHead result = *this;
  result.height = to_height, result.width = to_width;
  if (to_height == height && to_width == width) return result;
  for (HeadLevel& level : result.levels) {
    auto cells = [&](int64_t pixels) {
      return static_cast<int64_t>(std::ceil(static_cast<double>(pixels) / level.step));
    };
    if (cells(height) != level.height || cells(width) != level.width)
      throw Error("detector", fmt::format("its level of {} x {} cells has no fixed step", level.height, level.width),
                  "train it at one size");
    level.height = cells(to_height), level.width = cells(to_width);
  }
  return result;
}

std::string to_string(const DetectorHead& head) {
  std::string text =
      fmt::format("kind={};classes={};input={}x{}", name_of(head.kind), head.classes, head.height, head.width);
  for (const HeadLevel& level : head.levels) {
    text += fmt::format(";level={}x{}:{}:", level.height, level.width, level.step);
    for (size_t i = 0; i < level.anchors.size(); ++i)
      text += fmt::format("{}{}x{}", i ? "," : "", level.anchors[i][0], level.anchors[i][1]);
  }
  return text;
}

DetectorHead parse_detector_head(const std::string& text) {
  DetectorHead head;
  bool known = false;
  for (std::string_view part : split(text, ';')) {
    size_t equals = part.find('=');
    std::string_view key = part.substr(0, equals),
                     value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
    if (key == "kind") {
      for (HeadKind kind : kinds)
        if (value == name_of(kind)) head.kind = kind, known = true;
    } else if (key == "classes") {
      head.classes = number<int64_t>(value);
    } else if (key == "input") {
      auto [height, width] = pair<int64_t>(value);
      head.height = height, head.width = width;
    } else if (key == "level") {
      head.levels.push_back(parse_level(value));
    }
  }
  if (!known || head.levels.empty() || head.classes < 1 || head.height < 1)
    fail(fmt::format("'{}' is no description of one", text));
  return head;
}

void set_detector_head(Graph& graph, const DetectorHead& head) { graph.metadata[head_key] = to_string(head); }

DetectorHead detector_head(const Graph& graph) {
  auto it = graph.metadata.find(head_key);
  if (it == graph.metadata.end())
    throw Error("model '" + graph.name + "'",
                "says nothing about its head, so it is no detector that can be trained here",
                "start from one of the templates for detection");
  DetectorHead head = parse_detector_head(it->second);
  size_t wanted = head.kind == HeadKind::yolox ? 3 : 2;
  auto fits = [&](size_t index, int64_t columns) {
    const Shape& shape = graph.outputs()[index].value->shape();
    bool counted = shape.rank() == 3 && (!shape[1].known() || shape[1] == Dim(head.anchor_count()));
    return counted && shape[2] == Dim(columns);
  };
  bool right = graph.outputs().size() == wanted && fits(0, head.columns()) && fits(1, 4) && (wanted == 2 || fits(2, 1));
  if (!right)
    throw Error("model '" + graph.name + "'",
                fmt::format("its outputs do not fit its head: expected class_logits [N, {}, {}] and boxes [N, {}, 4]{}",
                            head.anchor_count(), head.columns(), head.anchor_count(),
                            wanted == 3 ? " and objectness" : ""));
  return head;
}

std::vector<Anchor> anchors_of(const DetectorHead& head) {
  std::vector<Anchor> anchors;
  anchors.reserve(static_cast<size_t>(head.anchor_count()));
  for (const HeadLevel& level : head.levels)
    for (int64_t row = 0; row < level.height; ++row)
      for (int64_t column = 0; column < level.width; ++column)
        for (const auto& [width, height] : level.anchors)
          anchors.push_back({(static_cast<float>(column) + 0.5f) * level.step,
                             (static_cast<float>(row) + 0.5f) * level.step, width, height});
  return anchors;
}

std::array<float, 2> box_variances(HeadKind kind) {
  return kind == HeadKind::ssd ? std::array{0.1f, 0.2f} : std::array{1.0f, 1.0f};
}

Corners decode_box(HeadKind kind, const Anchor& a, const float* raw) {
  auto grown = [](float exponent) { return std::exp(std::min(exponent, max_box_exponent)); };
  if (kind == HeadKind::atss)
    return {a.x - a.width / 2 * grown(raw[0]), a.y - a.height / 2 * grown(raw[1]), a.x + a.width / 2 * grown(raw[2]),
            a.y + a.height / 2 * grown(raw[3])};
  auto [center, size] = box_variances(kind);
  float x = a.x + raw[0] * center * a.width, y = a.y + raw[1] * center * a.height;
  float width = a.width * grown(raw[2] * size), height = a.height * grown(raw[3] * size);
  return {x - width / 2, y - height / 2, x + width / 2, y + height / 2};
}

std::array<float, 4> encode_box(HeadKind kind, const Anchor& a, const Corners& box) {
  auto [center, size] = box_variances(kind);
  auto log_ratio = [](float side, float anchor) { return std::log(std::max(side, 1e-3f) / anchor); };
  return {((box.left + box.right) / 2 - a.x) / (center * a.width),
          ((box.top + box.bottom) / 2 - a.y) / (center * a.height), log_ratio(box.width(), a.width) / size,
          log_ratio(box.height(), a.height) / size};
}

}  // namespace hone
