#include "app/report/photos.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "app/report/html.hpp"
#include "data/image.hpp"

namespace hone::app {

namespace {

constexpr size_t shown = 12;      // pictures of each kind
constexpr double thumb_width = 340;  // pixels, for screens with two pixels a point

std::string thumbnail(const Prediction& prediction) {
  Sample sample;
  sample.path = prediction.path;
  sample.pixels = prediction.pixels;
  Tensor image = image_of(sample);
  double scale = std::min(1.0, thumb_width / static_cast<double>(image.dim(1)));
  int height = std::max(1, static_cast<int>(static_cast<double>(image.dim(0)) * scale));
  int width = std::max(1, static_cast<int>(static_cast<double>(image.dim(1)) * scale));
  return base64(encode_jpeg(resize_image(image, height, width), 82));
}

std::string card(const Prediction& prediction, const std::vector<std::string>& classes) {
  bool right = prediction.label == prediction.predicted;
  const std::string& answer = classes[static_cast<size_t>(prediction.predicted)];
  std::string truth =
      right ? "" : fmt::format("<br>is {}", escape_html(classes[static_cast<size_t>(prediction.label)]));
  return fmt::format(
      "<figure class=\"photo{}\"><img alt=\"{}\" title=\"{}\" src=\"data:image/jpeg;base64,{}\"><div><span "
      "class=\"sure\">{}</span>"
      "<b>{}</b>{}</div></figure>\n",
      right ? "" : " wrong", escape_html(answer), escape_html(prediction.path.filename().string()),
      thumbnail(prediction), format_percent(prediction.probability), escape_html(answer), truth);
}

std::vector<const Prediction*> mistakes(const Evaluation& evaluation) {
  std::vector<const Prediction*> list;
  for (const Prediction& prediction : evaluation.predictions)
    if (prediction.label != prediction.predicted) list.push_back(&prediction);
  std::stable_sort(list.begin(), list.end(), [](auto* a, auto* b) { return a->probability > b->probability; });
  list.resize(std::min(list.size(), shown));
  return list;
}

/// The first right answers of each class in turn.
std::vector<const Prediction*> right_answers(const Evaluation& evaluation, size_t classes) {
  std::vector<std::vector<const Prediction*>> by_class(classes);
  for (const Prediction& prediction : evaluation.predictions)
    if (prediction.label == prediction.predicted)
      by_class[static_cast<size_t>(prediction.label)].push_back(&prediction);
  std::vector<const Prediction*> list;
  for (size_t round = 0; round < shown && list.size() < shown; ++round)
    for (const auto& items : by_class)
      if (round < items.size() && list.size() < shown)
        list.push_back(items[items.size() > shown ? round * items.size() / shown : round]);
  return list;
}

std::string grid(const std::string& title, const std::vector<const Prediction*>& list,
                 const std::vector<std::string>& classes) {
  if (list.empty()) return "";
  std::string html = fmt::format("<h2>{}</h2><div class=\"photos\">", title);
  for (const Prediction* prediction : list) html += card(*prediction, classes);
  return html + "</div>\n";
}

}  // namespace

std::string photo_section(const ModelResult& model, const std::vector<std::string>& classes) {
  return grid(fmt::format("Right answers ({})", model.name), right_answers(model.evaluation, classes.size()), classes) +
         grid(fmt::format("Surest mistakes ({})", model.name), mistakes(model.evaluation), classes);
}

}  // namespace hone::app
