#include "app/support/draw_results.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "app/support/format.hpp"
#include "data/draw.hpp"
#include "data/mask_file.hpp"
#include "data/metrics.hpp"
#include "data/names.hpp"

namespace hone::app {

namespace {

constexpr double least_share = 0.002;  // classes on fewer pixels get no line in the legend

ImageSize size_of(const Tensor& image) { return {static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1))}; }

bool is_background(const std::string& name) {
  std::string lower = to_lower(name);
  return lower == "background" || lower == "__background__" || lower == "unlabelled" || lower == "void" ||
         lower == "ignore";
}

Color color_of(const ObjectMark& mark) { return mark.color.value_or(class_color(mark.label)); }

/// A name at a box where it hides no other: above it, else below, else inside at its top.
Box place_tag(const Box& object, const ImageSize& tag, const ImageSize& picture, const std::vector<Box>& taken) {
  double x = std::clamp(object.x, 0.0, std::max(0.0, double(picture.width - tag.width)));
  double most = std::max(0.0, double(picture.height - tag.height));
  std::vector<double> tops = {object.y - tag.height, object.bottom(), object.y, object.y + tag.height,
                              object.bottom() - tag.height};
  for (int i = 1; i < 5; ++i) tops.push_back(object.bottom() + i * tag.height);
  for (double y : tops) {
    if (y < 0 || y > most) continue;
    Box box{x, y, double(tag.width), double(tag.height)};
    if (std::none_of(taken.begin(), taken.end(), [&](const Box& other) { return intersection(box, other) > 0; }))
      return box;
  }
  return {x, std::clamp(object.y, 0.0, most), double(tag.width), double(tag.height)};
}

/// `taken`: where no name may lie.
void draw_objects(Tensor& picture, const Marks& marks, int scale, std::vector<Box> taken) {
  ImageSize size = size_of(picture);
  int height = text_height(size), line = std::max(2, height / 7), pad = std::max(2, height / 5);
  auto scaled = [&](const Box& b) { return Box{b.x * scale, b.y * scale, b.w * scale, b.h * scale}; };
  for (auto one = marks.objects.rbegin(); one != marks.objects.rend(); ++one)  // the surest lie on top
    outline_box(picture, scaled(one->box), color_of(*one), line);
  size_t first = taken.size();
  for (const ObjectMark& one : marks.objects) {
    ImageSize text = text_size(one.caption, height);
    taken.push_back(place_tag(scaled(one.box), {height + pad, text.width + 2 * pad}, size, taken));
  }
  for (size_t i = marks.objects.size(); i-- > 0;) {
    const Box& tag = taken[first + i];
    if (marks.objects[i].caption.empty()) continue;
    fill_box(picture, tag, color_of(marks.objects[i]));
    draw_text(picture, marks.objects[i].caption, static_cast<int>(tag.x) + pad, static_cast<int>(tag.y) + pad / 2,
              height, text_color(color_of(marks.objects[i])));
  }
}

void draw_classes(Tensor& picture, const Marks& marks) {
  Tensor map = resize_mask(marks.classes, static_cast<int>(picture.dim(0)), static_cast<int>(picture.dim(1)));
  for (auto& [label, name] : marks.legend) tint(picture, map, static_cast<uint8_t>(label), class_color(label), 0.5);
  outline_classes(picture, map, {255, 255, 255});
}

/// Rows of a colored square and text on a dark panel in a corner.
struct Panel {
  const std::vector<std::pair<int, std::string>>& rows;
  int height, pad, step, indent;
  int count = 0;  ///< rows for which there is room
  Box box;

  Panel(const std::vector<std::pair<int, std::string>>& all, const ImageSize& picture, bool bottom, bool right)
      : rows(all) {
    height = text_height(picture), pad = std::max(3, height / 3), step = height + pad / 2;
    count = std::min<int>(static_cast<int>(rows.size()), std::max(1, (picture.height - 2 * pad) / step));
    bool squares = std::any_of(rows.begin(), rows.end(), [](auto& row) { return row.first >= 0; });
    indent = pad + (squares ? height : 0);
    int widest = 0;
    for (int i = 0; i < count; ++i)
      widest = std::max(widest, text_size(rows[static_cast<size_t>(i)].second, height).width);
    box.w = indent + widest + 2 * pad, box.h = count * step + pad;
    box.x = right ? picture.width - box.w : 0, box.y = bottom ? picture.height - box.h : 0;
    if (rows.empty()) box = {};
  }

  void draw(Tensor& picture) const {
    fill_box(picture, box, {16, 16, 16}, 0.72);
    double side = height * 0.66;
    for (int i = 0; i < count; ++i) {
      auto& [label, text] = rows[static_cast<size_t>(i)];
      int y = static_cast<int>(box.y) + pad * 3 / 4 + i * step;
      if (label >= 0) fill_box(picture, {box.x + pad, y + height * 0.17, side, side}, class_color(label));
      draw_text(picture, text, static_cast<int>(box.x) + indent + (label >= 0 ? pad / 3 : 0), y, height,
                {255, 255, 255});
    }
  }
};

std::string percent(double share) { return share < 0.01 ? "<1%" : fmt::format("{:.0f}%", 100 * share); }

}  // namespace

Marks marks_of(const Findings& found, const Predictor& predictor, int top) {
  Marks marks;
  for (const Detection& one : found.objects)
    marks.objects.push_back({one.box, one.label, fmt::format("{} {:.0f}%", predictor.label(one.label), 100 * one.score),
                             predictor.label(one.label)});
  if (!found.probabilities.empty()) {
    bool multi = predictor.task() == Task::multi_label;
    int most = std::min<int>(multi ? 12 : top, static_cast<int>(found.probabilities.size()));
    for (int i : top_k(found.probabilities, most)) {
      float p = found.probabilities[static_cast<size_t>(i)];
      if (!multi || p >= predictor.score())
        marks.lines.emplace_back(i, fmt::format("{} {}", predictor.label(i), format_percent(p)));
    }
    if (marks.lines.empty()) marks.lines.emplace_back(-1, "no class");
  }
  if (found.classes.defined()) {
    marks.classes = found.classes;
    for (auto [label, share] : class_shares(found.classes))
      if (share >= least_share && !is_background(predictor.label(label)))
        marks.legend.emplace_back(label, predictor.label(label) + " " + percent(share));
  }
  return marks;
}

int enlargement(const ImageSize& size) {
  constexpr int enough = 400;
  int longest = std::max(1, std::max(size.height, size.width));
  return longest >= enough ? 1 : std::min(24, (enough + longest - 1) / longest);
}

int text_height(const ImageSize& size) {
  double side = std::min(std::min(size.height, size.width) * 1.5, std::sqrt(double(size.height) * size.width));
  return std::clamp(static_cast<int>(std::lround(side / 30)), 13, 160);
}

Tensor draw_marks(const Tensor& image, const Marks& marks) {
  int scale = enlargement(size_of(image));
  Tensor picture =
      scale == 1 ? image.clone()
                 : resize_linear(image, static_cast<int>(image.dim(0)) * scale, static_cast<int>(image.dim(1)) * scale)
                       .clone();
  if (marks.classes.defined()) draw_classes(picture, marks);
  std::vector<std::pair<int, std::string>> status;
  if (!marks.status.empty()) status.emplace_back(-1, marks.status);
  ImageSize size = size_of(picture);
  const Panel panels[] = {
      {marks.lines, size, false, false}, {marks.legend, size, true, false}, {status, size, false, true}};
  std::vector<Box> taken;
  for (const Panel& panel : panels) taken.push_back(panel.box);
  draw_objects(picture, marks, scale, taken);
  for (const Panel& panel : panels) panel.draw(picture);
  return picture;
}

}  // namespace hone::app
