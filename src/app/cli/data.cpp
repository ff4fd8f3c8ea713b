#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/report/data_page.hpp"
#include "app/support/format.hpp"
#include "app/support/range.hpp"
#include "app/support/terminal.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "data/read.hpp"
#include "data/statistics.hpp"

namespace hone::app {

namespace {

struct CheckOptions {
  std::string path, format, task, html;
  int threads = 0;
  bool json = false;

  void add(CLI::App& app) {
    std::string formats;
    for (const FormatInfo& format : list_formats())
      formats += fmt::format("\n  {:<10} {}", format.name, format.summary);
    app.add_option("DIR", path, "folder of the data set, or the file that describes it (CSV, JSON, data.yaml)")
        ->required();
    app.add_option("--format", format, "name of the format; default: found from what lies in the folder");
    app.add_option("--task", task,
                   "classification, multi-label, detection, instance-segmentation, segmentation or anomaly");
    app.add_option("--html", html, "also write a page with sample pictures to this file");
    app.add_option("--threads", threads, "0: one per processor")->check(in_range(0, 1024));
    app.add_flag("--json", json, "print JSON");
    app.footer("Formats:" + formats);
  }
};

Json to_json(const Spread& spread) {
  return {{"least", spread.least},
          {"p10", spread.low},
          {"median", spread.middle},
          {"p90", spread.high},
          {"most", spread.most}};
}

Json to_json(const Dataset& data, const DatasetStatistics& s) {
  Json json = {{"format", data.format}, {"task", name_of(data.task)}, {"found", data.found}, {"images", s.images},
               {"parts", {{"train", s.train}, {"validation", s.validation}, {"test", s.test}}}, {"empty", s.empty},
               {"width", to_json(s.width)}, {"height", to_json(s.height)}};
  if (s.objects > 0)
    json["boxes"] = {{"count", s.objects},
                     {"small", s.small},
                     {"medium", s.medium},
                     {"large", s.large},
                     {"per_image", to_json(s.objects_per_image)},
                     {"relative_side", to_json(s.box_side)},
                     {"aspect", to_json(s.box_aspect)}};
  json["classes"] = Json::array();
  for (const ClassStatistics& one : s.classes)
    json["classes"].push_back({{"name", one.name}, {"count", one.count}, {"images", one.images}});
  json["duplicates"] = {
      {"pairs", s.duplicate_count}, {"across_parts", s.duplicates_across_parts}, {"list", Json::array()}};
  for (const Duplicate& one : s.duplicates) json["duplicates"]["list"].push_back({one.first, one.second});
  json["corrupt"] = Json::array();
  for (const Skipped& file : s.corrupt)
    json["corrupt"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  json["problems"] = Json::array();
  for (const Problem& one : data.problems.list())
    json["problems"].push_back(
        {{"what", one.what}, {"count", one.count}, {"remedy", one.remedy}, {"places", one.places}});
  json["suggestions"] = s.suggestions;
  return json;
}

std::string spread_text(const Spread& spread, int digits) {
  return fmt::format("{:.{}f} to {:.{}f}, median {:.{}f}", spread.least, digits, spread.most, digits, spread.middle,
                     digits);
}

std::string class_table(const Dataset& data, const DatasetStatistics& s) {
  constexpr size_t most_rows = 40;
  bool pixels = data.task == Task::segmentation, objects = s.objects > 0;
  Table table({"class", pixels ? "pixels" : objects ? "objects" : "images", pixels || objects ? "in images" : "share"});
  double total = 0;
  for (const ClassStatistics& one : s.classes) total += static_cast<double>(one.count);
  size_t rows = 0;
  for (const ClassStatistics& one : s.classes) {
    if (rows++ >= most_rows) break;
    std::string last = pixels || objects ? std::to_string(one.images)
                                         : format_percent(total > 0 ? static_cast<double>(one.count) / total : 0);
    table.add(
        {one.name,
         pixels ? format_percent(total > 0 ? static_cast<double>(one.count) / total : 0) : std::to_string(one.count),
         last});
  }
  std::string text = table.text();
  if (s.classes.size() > most_rows)
    text += fmt::format("... and {} more classes (--json lists all)\n", s.classes.size() - most_rows);
  return text;
}

void print_text(const Dataset& data, const DatasetStatistics& s) {
  fmt::print("{} ({}): {}\n", name_of(data.task), data.format, data.found);
  fmt::print("{} images, {} classes", s.images, s.classes.size());
  if (s.train + s.validation + s.test > 0)
    fmt::print("   (train {}, validation {}, test {})", s.train, s.validation, s.test);
  fmt::print("\nwidth {}; height {}\n", spread_text(s.width, 0), spread_text(s.height, 0));
  if (s.objects > 0)
    fmt::print(
        "{} boxes: {} small (to 32x32), {} medium (to 96x96), {} large; an image has {}\nbox side {} of the image's; "
        "aspect {}\n",
        s.objects, s.small, s.medium, s.large, spread_text(s.objects_per_image, 0), spread_text(s.box_side, 3),
        spread_text(s.box_aspect, 2));
  fmt::print("\n{}", class_table(data, s));
  for (const Problem& one : data.problems.list()) {
    fmt::print("\n{} {}{}\n", one.count, one.what, one.remedy.empty() ? "" : "; " + one.remedy);
    for (size_t i = 0; i < std::min<size_t>(3, one.places.size()); ++i) fmt::print("  {}\n", one.places[i]);
  }
  if (!s.corrupt.empty()) fmt::print("\n{} files cannot be read\n", s.corrupt.size());
  for (size_t i = 0; i < std::min<size_t>(3, s.corrupt.size()); ++i)
    fmt::print("  {}: {}\n", s.corrupt[i].path.string(), s.corrupt[i].reason);
  if (s.duplicate_count > 0)
    fmt::print("\n{} pairs of equal pictures, {} of them across parts\n", s.duplicate_count, s.duplicates_across_parts);
  for (size_t i = 0; i < std::min<size_t>(3, s.duplicates.size()); ++i)
    fmt::print("  {} = {}\n", s.duplicates[i].first, s.duplicates[i].second);
  fmt::print("\nsuggestions\n");
  for (const std::string& text : s.suggestions) fmt::print("- {}\n", text);
}

int check(const CheckOptions& options) {
  auto progress = make_progress();
  DatasetOptions read;
  read.format = options.format;
  if (!options.task.empty()) read.task = parse_task(options.task);
  read.threads = options.threads;
  read.progress = progress.get();
  Dataset data = read_dataset(options.path, read);
  DatasetStatistics statistics = examine(data, {options.threads, progress.get()});
  progress->end();
  if (!options.html.empty()) write_file(options.html, data_page(options.path, data, statistics));
  if (options.json)
    print_json(to_json(data, statistics));
  else
    print_text(data, statistics);
  if (!options.html.empty()) fmt::print(stderr, "wrote {}\n", options.html);
  return 0;
}

}  // namespace

Action add_data(CLI::App& app) {
  app.require_subcommand(1);
  CLI::App* sub = app.add_subcommand("check", "read a data set and say what is in it and what is wrong with it");
  sub->option_defaults()->always_capture_default();
  auto options = std::make_shared<CheckOptions>();
  options->add(*sub);
  return [options] { return check(*options); };
}

}  // namespace hone::app
