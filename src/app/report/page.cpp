#include "app/report/page.hpp"

#include <algorithm>
#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "app/report/html.hpp"
#include "app/report/photos.hpp"
#include "app/report/style.hpp"
#include "base/cpu.hpp"

namespace hone::app {

namespace {

constexpr size_t largest_matrix = 20;  // classes of a confusion matrix that can be read

/// A line of the comparison: its name, and for each model the figure as text and as number.
struct Figure {
  std::string name;
  std::vector<std::string> texts;
  std::string change;
  int verdict = 0;  ///< 1: the second model is better, -1: worse
};

std::vector<Figure> figures(const std::vector<ModelResult>& models) {
  std::vector<Figure> list;
  auto add = [&](const std::string& name, auto&& value, auto&& text, auto&& change) {
    Figure figure{name};
    for (const ModelResult& model : models) figure.texts.push_back(text(value(model)));
    if (models.size() == 2) std::tie(figure.change, figure.verdict) = change(value(models[0]), value(models[1]));
    list.push_back(std::move(figure));
  };
  auto points = [](double a, double b) {
    double change = 100 * (b - a);
    return std::pair(fmt::format("{:+.1f} points", change), change < -1 ? -1 : change > 0.05 ? 1 : 0);
  };
  auto ratio = [](double better) {
    return std::pair(fmt::format("{:.1f}×", better), better >= 1.05 ? 1 : better < 0.95 ? -1 : 0);
  };
  auto named = [&](double better, const char* word) {
    auto result = ratio(better);
    result.first += word;
    return result;
  };
  auto smaller = [&](double a, double b) { return named(a / b, " smaller"); };
  auto faster = [&](double a, double b) { return named(a / b, " faster"); };
  auto more = [&](double a, double b) { return ratio(b / a); };
  auto milliseconds = [](double value) { return fmt::format("{:.2f} ms", value); };
  auto rate = [](double value) { return fmt::format("{:.0f} images/s", value); };
  add("accuracy", [](const ModelResult& m) { return m.evaluation.top1(); }, format_percent, points);
  add("file size", [](const ModelResult& m) { return m.bytes; }, format_bytes, smaller);
  add("latency, 1 thread", [](const ModelResult& m) { return m.one_thread.median_ms; }, milliseconds, faster);
  add("throughput, 1 thread", [](const ModelResult& m) { return m.one_thread.throughput; }, rate, more);
  int threads = models[0].all_threads.threads;
  if (threads > 1)
    add(
        fmt::format("throughput, {} threads", threads), [](const ModelResult& m) { return m.all_threads.throughput; },
        rate, more);
  return list;
}

std::string tile(const std::string& value, const std::string& text) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", value, escape_html(text));
}

std::string tiles(const ReportData& data) {
  const ModelResult& first = data.models[0];
  std::string html = "<div class=\"tiles\">";
  html += tile(format_percent(first.evaluation.top1()),
               fmt::format("accuracy on {} held-back images ({})", first.evaluation.images, first.name));
  if (data.models.size() == 2) {
    const ModelResult& second = data.models[1];
    html += tile(format_percent(second.evaluation.top1()),
                 fmt::format("accuracy in {}; the same answer on {} of the images", second.name,
                             format_percent(agreement(first, second))));
    html += tile(fmt::format("{:.1f}×", first.one_thread.median_ms / second.one_thread.median_ms),
                 fmt::format("faster in {} on one thread", second.name));
    html += tile(format_bytes(second.bytes),
                 fmt::format("{}, {:.1f} times smaller than {}", second.name, first.bytes / second.bytes, first.name));
  } else {
    html += tile(fmt::format("{:.1f} ms", first.one_thread.median_ms), "for an image on one thread");
    html += tile(format_bytes(first.bytes), "model file");
  }
  return html + "</div>\n";
}

std::string comparison(const std::vector<ModelResult>& models) {
  std::string html = "<h2>Models</h2><div class=\"card wide\"><table><tr><th></th>";
  for (const ModelResult& model : models) html += fmt::format("<th>{}</th>", model.name);
  html += models.size() == 2 ? "<th>change</th></tr>" : "</tr>";
  for (const Figure& figure : figures(models)) {
    html += fmt::format("<tr><td>{}</td>", figure.name);
    for (const std::string& text : figure.texts) html += fmt::format("<td>{}</td>", text);
    if (models.size() == 2)
      html += fmt::format("<td class=\"{}\">{}</td>",
                          figure.verdict > 0   ? "gain"
                          : figure.verdict < 0 ? "loss"
                                               : "",
                          figure.change);
    html += "</tr>";
  }
  return html + "</table></div>\n";
}

std::string curves(const Json& training) {
  if (!training.is_object() || !training.contains("history") || training["history"].empty()) return "";
  auto column = [&](const char* key) {
    std::vector<double> values;
    for (const Json& epoch : training["history"]) values.push_back(epoch.value(key, 0.0));
    return values;
  };
  std::vector<double> epochs = column("epoch");
  std::string html = "<h2>Training</h2>";
  double seconds = training.value("seconds", 0.0);
  html += fmt::format(
      "<p class=\"soft\">{} epochs in {}, {:.0f} images/s; the best is epoch {}. Training images are varied at "
      "random, so their accuracy may stay below that of the held-back images.</p><div class=\"row\">",
      epochs.size(), format_duration(seconds), training.value("images_per_second", 0.0),
      training.value("best_epoch", 0));
  html += line_chart({"Loss", epochs, "epoch", {{"training", "var(--first)", column("loss")},
                                                {"held back", "var(--second)", column("validation_loss")}}});
  html += line_chart({"Accuracy",
                      epochs,
                      "epoch",
                      {{"training", "var(--first)", column("accuracy")},
                       {"held back", "var(--second)", column("validation_accuracy")}},
                      true});
  return html + "</div>\n";
}

std::string matrix(const ModelResult& model, const std::vector<std::string>& classes) {
  std::string html = fmt::format(
      "<figure class=\"card wide\"><figcaption>{}</figcaption><table class=\"matrix\"><tr><th></th>", model.name);
  for (const std::string& name : classes)
    html += fmt::format("<th class=\"top\"><span>{}</span></th>", escape_html(name));
  html += "</tr>";
  int count = static_cast<int>(classes.size());
  for (int truth = 0; truth < count; ++truth) {
    int64_t total = 0;
    for (int predicted = 0; predicted < count; ++predicted) total += model.evaluation.confusion.at(truth, predicted);
    html += fmt::format("<tr><th class=\"side\">{}</th>", escape_html(classes[static_cast<size_t>(truth)]));
    for (int predicted = 0; predicted < count; ++predicted) {
      int64_t cell = model.evaluation.confusion.at(truth, predicted);
      double share = total ? static_cast<double>(cell) / static_cast<double>(total) : 0;
      if (cell == 0) html += "<td><span class=\"cell none\">0</span></td>";
      else
        html += fmt::format(
            "<td><span class=\"cell\" style=\"--tint:var({});--share:{:.2f}\" title=\"{} taken for {}: {} "
            "({})\">{}</span></td>",
            truth == predicted ? "--first-rgb" : "--warm-rgb", 0.12 + 0.6 * share,
            escape_html(classes[static_cast<size_t>(truth)]), escape_html(classes[static_cast<size_t>(predicted)]),
            cell, format_percent(share), cell);
    }
    html += "</tr>";
  }
  return html + "</table></figure>\n";
}

/// For many classes: the pairs that are mixed up most.
std::string mixed_up(const ModelResult& model, const std::vector<std::string>& classes) {
  std::vector<std::tuple<int64_t, int, int>> pairs;
  int count = static_cast<int>(classes.size());
  for (int truth = 0; truth < count; ++truth)
    for (int predicted = 0; predicted < count; ++predicted)
      if (int64_t cell = model.evaluation.confusion.at(truth, predicted); truth != predicted && cell > 0)
        pairs.emplace_back(-cell, truth, predicted);
  std::sort(pairs.begin(), pairs.end());
  std::string html = fmt::format(
      "<div class=\"card wide\"><table><tr><th>{}: the truth</th><th>answer</th><th>images</th></tr>", model.name);
  for (size_t i = 0; i < pairs.size() && i < 12; ++i) {
    auto [cell, truth, predicted] = pairs[i];
    html += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", escape_html(classes[static_cast<size_t>(truth)]),
                        escape_html(classes[static_cast<size_t>(predicted)]), -cell);
  }
  return html + "</table></div>\n";
}

std::string confusion(const ReportData& data) {
  bool small = data.classes.size() <= largest_matrix;
  std::string html =
      small ? "<h2>Confusion matrix</h2><p class=\"soft\">Rows are the truth, columns the answer of the model.</p>"
            : "<h2>Mixed up most</h2>";
  html += "<div class=\"row\">";
  for (const ModelResult& model : data.models)
    html += small ? matrix(model, data.classes) : mixed_up(model, data.classes);
  return html + "</div>\n";
}

std::string class_table(const ReportData& data) {
  std::string html = "<h2>Classes</h2><div class=\"card wide\"><table><tr><th>class</th><th>images</th>";
  for (const ModelResult& model : data.models) html += fmt::format("<th>found by {}</th>", model.name);
  html += "<th>precision</th></tr>";
  std::vector<std::vector<ClassScore>> scores;
  for (const ModelResult& model : data.models) scores.push_back(model.evaluation.confusion.per_class());
  for (size_t i = 0; i < data.classes.size(); ++i) {
    if (scores[0][i].support == 0) continue;
    html += fmt::format("<tr><td>{}</td><td>{}</td>", escape_html(data.classes[i]), scores[0][i].support);
    for (size_t m = 0; m < scores.size(); ++m)
      html += fmt::format(
          "<td><span class=\"bar\"><i style=\"width:{:.1f}%;background:var({})\"></i></span><span "
          "class=\"number\">{}</span></td>",
          100 * scores[m][i].recall, m == 0 ? "--first" : "--second", format_percent(scores[m][i].recall));
    html += fmt::format("<td>{}</td></tr>", format_percent(scores.back()[i].precision));
  }
  return html + "</table></div>\n";
}

std::string header(const ReportData& data) {
  std::string description = data.training.is_object() ? data.training.value("description", std::string()) : "";
  return fmt::format("<h1>{}</h1><p class=\"soft\">{}</p>\n", escape_html(data.title),
                     escape_html(description.empty() ? data.data : description));
}

std::string footer() {
  return fmt::format(
      "<footer>Written by hone {} on {:%Y-%m-%d}. Measured on {}, {}, batch 1, median of the runs.</footer>\n",
      HONE_VERSION, fmt::localtime(std::time(nullptr)), escape_html(cpu_features().name), cpu_features().isa());
}

}  // namespace

double agreement(const ModelResult& a, const ModelResult& b) {
  size_t count = std::min(a.evaluation.predictions.size(), b.evaluation.predictions.size()), same = 0;
  for (size_t i = 0; i < count; ++i)
    same += a.evaluation.predictions[i].predicted == b.evaluation.predictions[i].predicted;
  return count ? static_cast<double>(same) / static_cast<double>(count) : 0;
}

std::string report_page(const ReportData& data) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, "
      "initial-scale=1\"><title>{}</title><style>{}</style></head><body><main>\n",
      escape_html(data.title), report_style);
  html += header(data) + tiles(data) + comparison(data.models) + curves(data.training) + confusion(data) +
          class_table(data);
  html += photo_section(data.models.back(), data.classes);
  return html + footer() + "</main></body></html>\n";
}

std::string comparison_table(const std::vector<ModelResult>& models) {
  std::vector<std::string> columns{""};
  for (const ModelResult& model : models) columns.push_back(model.name);
  if (models.size() == 2) columns.push_back("change");
  Table table(columns);
  for (const Figure& figure : figures(models)) {
    std::vector<std::string> row{figure.name};
    row.insert(row.end(), figure.texts.begin(), figure.texts.end());
    if (models.size() == 2) row.push_back(figure.change);
    table.add(std::move(row));
  }
  return table.text();
}

}  // namespace hone::app
