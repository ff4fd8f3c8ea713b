#include "app/report/data_page.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "app/report/html.hpp"
#include "app/report/style.hpp"
#include "app/support/format.hpp"
#include "base/error.hpp"
#include "data/draw.hpp"
#include "data/random.hpp"

namespace hone::app {

namespace {

constexpr size_t pictures_shown = 18, classes_shown = 60, places_shown = 5;

constexpr const char* page_style = R"css(
.pictures { columns: 3 300px; column-gap: 14px; }
.picture { break-inside: avoid; margin: 0 0 14px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.picture img { display: block; width: 100%; height: auto; }
.picture figcaption { padding: 8px 12px 10px; font-size: 12.5px; font-weight: 400; color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.picture b { color: var(--ink); font-weight: 560; }
.small-picture img { image-rendering: pixelated; }
.bar { background: var(--line); border-radius: 4px; height: 10px; width: 100%; min-width: 120px; }
.bar i { display: block; height: 10px; border-radius: 4px; min-width: 2px; }
td.long { width: 45%; }
.advice li { margin: 0 0 6px; }
.places { color: var(--soft); font-size: 13px; overflow-wrap: anywhere; margin: 4px 0 14px; padding-left: 20px; }
.keys { display: flex; flex-wrap: wrap; gap: 6px 16px; margin-bottom: 14px; font-size: 13.5px; }
.keys i { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
)css";

std::string color_of(int label) {
  auto c = class_color(label);
  return fmt::format("rgb({},{},{})", c[0], c[1], c[2]);
}

std::set<int> labels_of(const Sample& sample) {
  std::set<int> labels(sample.labels.begin(), sample.labels.end());
  if (sample.label >= 0) labels.insert(sample.label);
  for (const Annotation& object : sample.objects) labels.insert(object.label);
  return labels;
}

/// Some samples, such that as many classes as possible occur; always the same ones.
std::vector<size_t> chosen_samples(const Dataset& data) {
  std::vector<size_t> order(data.samples.size()), chosen;
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  Rng rng(7);
  rng.shuffle(std::span<size_t>(order));
  std::vector<int64_t> seen(data.classes.size(), 0);
  std::set<size_t> taken;
  for (int64_t round = 0; chosen.size() < pictures_shown && round < 20; ++round)
    for (size_t i : order) {
      if (chosen.size() >= pictures_shown || taken.count(i)) continue;
      std::set<int> labels = labels_of(data.samples[i]);
      bool fresh = std::any_of(labels.begin(), labels.end(), [&](int c) {
        return c < static_cast<int>(seen.size()) && seen[static_cast<size_t>(c)] <= round;
      });
      bool any = data.task == Task::segmentation || (round == 19);
      if (!fresh && !any) continue;
      for (int c : labels)
        if (c < static_cast<int>(seen.size())) ++seen[static_cast<size_t>(c)];
      taken.insert(i);
      chosen.push_back(i);
    }
  return chosen;
}

std::string caption_of(const Sample& sample, const Dataset& data) {
  std::string names;
  if (sample.objects.empty())
    for (int label : labels_of(sample))
      if (label < static_cast<int>(data.classes.size()))
        names += (names.empty() ? "" : ", ") + data.classes[static_cast<size_t>(label)];
  if (!sample.objects.empty())
    names = fmt::format("{} object{}", sample.objects.size(), sample.objects.size() == 1 ? "" : "s");
  if (names.empty() && sample.mask.empty()) names = "no label";
  std::string part = sample.part == Part::none ? "" : fmt::format(" · {}", name_of(sample.part));
  return fmt::format("<b>{}</b> {}{}", escape_html(names), escape_html(sample.path.filename().string()), part);
}

std::string pictures(const Dataset& data) {
  std::string html = "<h2>Pictures</h2>";
  if (data.task == Task::segmentation) {
    html += "<div class=\"keys\">";
    for (size_t i = 0; i < std::min<size_t>(30, data.classes.size()); ++i)
      html += fmt::format("<span><i style=\"background:{}\"></i>{}</span>", color_of(static_cast<int>(i)),
                          escape_html(data.classes[i]));
    html += "</div>";
  }
  html += "<div class=\"pictures\">";
  for (size_t i : chosen_samples(data)) {
    const Sample& sample = data.samples[i];
    try {
      Tensor picture = draw_annotation(sample, data, 640);
      bool tiny = sample.size.width > 0 && sample.size.width <= 64;
      std::string bytes = encode_jpeg(picture, 84);
      html += fmt::format(
          "<figure class=\"picture{}\"><img alt=\"\" "
          "src=\"data:image/jpeg;base64,{}\"><figcaption>{}</figcaption></figure>",
          tiny ? " small-picture" : "", base64(bytes), caption_of(sample, data));
    } catch (const Error&) {
      continue;  // listed with the files that cannot be read
    }
  }
  return html + "</div>";
}

std::string tile(const std::string& figure, const std::string& name) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", escape_html(figure), escape_html(name));
}

std::string tiles(const DatasetStatistics& s) {
  std::string html = "<div class=\"tiles\">";
  html += tile(format_count(static_cast<double>(s.images)), "images");
  html += tile(std::to_string(s.classes.size()), "classes");
  if (s.objects > 0) html += tile(format_count(static_cast<double>(s.objects)), "boxes");
  html += tile(fmt::format("{:.0f}×{:.0f}", s.width.middle, s.height.middle), "median size");
  if (s.train + s.validation + s.test > 0)
    html += tile(fmt::format("{} / {} / {}", s.train, s.validation, s.test), "train / validation / test");
  return html + "</div>";
}

std::string class_table(const Dataset& data, const DatasetStatistics& s) {
  bool pixels = data.task == Task::segmentation, objects = s.objects > 0;
  int64_t most = 1, total = 0;
  for (const ClassStatistics& one : s.classes) most = std::max(most, one.count), total += one.count;
  std::string html = fmt::format(
      "<h2>Classes</h2><div class=\"card wide\"><table><tr><th>class</th><th></th><th>{}</th><th>images</th></tr>",
      pixels    ? "pixels"
      : objects ? "objects"
                : "count");
  for (size_t i = 0; i < std::min(classes_shown, s.classes.size()); ++i) {
    const ClassStatistics& one = s.classes[i];
    std::string count = pixels ? format_percent(total ? static_cast<double>(one.count) / static_cast<double>(total) : 0)
                               : std::to_string(one.count);
    html += fmt::format(
        "<tr><td>{}</td><td class=\"long\"><div class=\"bar\"><i "
        "style=\"width:{:.1f}%;background:{}\"></i></div></td><td>{}</td><td>{}</td></tr>",
        escape_html(one.name), 100.0 * static_cast<double>(one.count) / static_cast<double>(most),
        color_of(static_cast<int>(i)), count, one.images);
  }
  html += "</table>";
  if (s.classes.size() > classes_shown)
    html += fmt::format("<p class=\"soft\">and {} more</p>", s.classes.size() - classes_shown);
  return html + "</div>";
}

std::string spread_row(const char* name, const Spread& s, int digits) {
  return fmt::format(
      "<tr><td>{}</td><td>{:.{}f}</td><td>{:.{}f}</td><td>{:.{}f}</td><td>{:.{}f}</td><td>{:.{}f}</td></tr>", name,
      s.least, digits, s.low, digits, s.middle, digits, s.high, digits, s.most, digits);
}

std::string sizes(const DatasetStatistics& s) {
  std::string html =
      "<h2>Sizes</h2><div class=\"card "
      "wide\"><table><tr><th></th><th>least</th><th>10%</th><th>median</th><th>90%</th><th>most</th></tr>";
  html += spread_row("image width", s.width, 0) + spread_row("image height", s.height, 0);
  if (s.objects > 0)
    html += spread_row("objects an image", s.objects_per_image, 0) +
            spread_row("box side, relative to the image", s.box_side, 3) +
            spread_row("box width / height", s.box_aspect, 2);
  html += "</table>";
  if (s.objects > 0)
    html += fmt::format("<p class=\"soft\">{} boxes up to 32×32 pixels, {} up to 96×96, {} larger</p>", s.small,
                        s.medium, s.large);
  return html + "</div>";
}

template <class List, class Text>
std::string places(const List& list, Text&& text) {
  std::string html = "<ul class=\"places\">";
  for (size_t i = 0; i < std::min(places_shown, list.size()); ++i)
    html += "<li>" + escape_html(text(list[i])) + "</li>";
  return html + "</ul>";
}

std::string problems(const Dataset& data, const DatasetStatistics& s) {
  if (data.problems.empty() && s.corrupt.empty() && s.duplicates.empty()) return "";
  std::string html = "<h2>Problems</h2><div class=\"card\">";
  for (const Problem& one : data.problems.list()) {
    html += fmt::format("<div><b>{}</b> {}{}</div>", one.count, escape_html(one.what),
                        one.remedy.empty() ? "" : "<span class=\"soft\"> · " + escape_html(one.remedy) + "</span>");
    html += places(one.places, [](const std::string& place) { return place; });
  }
  if (!s.corrupt.empty()) {
    html += fmt::format("<div><b>{}</b> files cannot be read</div>", s.corrupt.size());
    html += places(s.corrupt, [](const Skipped& file) { return file.path.string() + ": " + file.reason; });
  }
  if (!s.duplicates.empty()) {
    html += fmt::format("<div><b>{}</b> pairs of equal pictures, {} across parts</div>", s.duplicate_count,
                        s.duplicates_across_parts);
    html += places(s.duplicates, [](const Duplicate& one) { return one.first + " = " + one.second; });
  }
  return html + "</div>";
}

}  // namespace

std::string data_page(const std::string& name, const Dataset& data, const DatasetStatistics& s) {
  std::string title = std::filesystem::absolute(name).lexically_normal().filename().string();
  if (title.empty()) title = std::filesystem::absolute(name).lexically_normal().parent_path().filename().string();
  std::string html = fmt::format(
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
      "<title>{0}</title><style>{1}{2}</style><main><h1>{0}</h1><p class=\"soft\">{3}, read as {4}: {5}</p>",
      escape_html(title), report_style, page_style, name_of(data.task), data.format, escape_html(data.found));
  html += tiles(s) + "<h2>Suggestions</h2><div class=\"card advice\"><ul>";
  for (const std::string& text : s.suggestions) html += "<li>" + escape_html(text) + "</li>";
  html += "</ul></div>" + pictures(data) + class_table(data, s) + sizes(s) + problems(data, s);
  return html + "</main></html>\n";
}

}  // namespace hone::app
