#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/dataset.hpp"
#include "data/formats/csv_parser.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
std::optional<size_t> find_column(const CsvRow& header, std::initializer_list<const char*> names) {
  for (const char* name : names)
    for (size_t i = 0; i < header.fields.size(); ++i)
      if (to_lower(header.fields[i]) == name) return i;
  return std::nullopt;
}

std::optional<int> parse_index(const std::string& text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<size_t> file_column(const CsvRow& header) {
  return find_column(header, {"file", "filename", "path", "image"});
}
std::optional<size_t> label_column(const CsvRow& header) { return find_column(header, {"label0", "label", "class"}); }

struct LabelledFile {
  int64_t line = 0;
  std::filesystem::path path;
  std::string label;
};

std::vector<LabelledFile> read_rows(const std::filesystem::path& csv) {
  std::string text = read_text_file(csv);
  CsvParser parser(text);
  std::optional<CsvRow> header = parser.next();
  if (!header)
    throw Error(quoted(csv), "the file is empty", "expected a header such as file,label and one line an image");
  std::optional<size_t> file = file_column(*header), label = label_column(*header);
  if (!file || !label)
    throw Error(quoted(csv),
                fmt::format("no column '{}' in the header ({})", file ? "label" : "file", name_list(header->fields)),
                "expected a header with the columns file and label (or label0)");
  std::vector<LabelledFile> files;
  while (std::optional<CsvRow> row = parser.next()) {
    if (row->fields.size() <= std::max(*file, *label) || row->fields[*file].empty())
      throw Error(
          fmt::format("{} line {}", quoted(csv), row->line),
          fmt::format("{} fields, expected those of the header ({})", row->fields.size(), header->fields.size()));
    files.push_back({row->line, csv.parent_path() / row->fields[*file], row->fields[*label]});
  }
  if (files.empty()) throw Error(quoted(csv), "no lines below the header");
  return files;
}
}  // namespace

bool has_label_columns(const std::filesystem::path& csv) {
  std::string text = read_text_file(csv);
  std::optional<CsvRow> header = CsvParser(text).next();
  return header && file_column(*header) && label_column(*header);
}

Dataset read_csv_labels(const std::filesystem::path& csv, const std::vector<std::string>& classes) {
  std::vector<LabelledFile> files = read_rows(csv);
  Dataset dataset;
  dataset.classes = classes;
  auto all_labels = [&](auto&& holds) {
    return std::all_of(files.begin(), files.end(), [&](const LabelledFile& file) { return holds(file.label); });
  };
  bool names = !classes.empty() && all_labels([&](const std::string& label) {
    return std::find(classes.begin(), classes.end(), label) != classes.end();
  });
  bool numbers = !names && all_labels([](const std::string& label) { return parse_index(label).has_value(); });
  if (!numbers && classes.empty()) {
    for (const LabelledFile& file : files) dataset.classes.push_back(file.label);
    std::sort(dataset.classes.begin(), dataset.classes.end());
    dataset.classes.erase(std::unique(dataset.classes.begin(), dataset.classes.end()), dataset.classes.end());
  }
  for (LabelledFile& file : files) {
    std::string place = fmt::format("{} line {}", quoted(csv), file.line);
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file.path, ignored))
      throw Error(place, fmt::format("no such file {}", quoted(file.path)),
                  "paths in the CSV are relative to its folder");
    int label = -1;
    if (numbers) {
      label = *parse_index(file.label);
      if (!classes.empty() && label >= static_cast<int>(classes.size()))
        throw Error(place, fmt::format("label {} is not below the number of classes, {}", label, classes.size()));
    } else {
      auto found = std::find(dataset.classes.begin(), dataset.classes.end(), file.label);
      if (found == dataset.classes.end()) {
        std::vector<std::string> near = nearest_names(file.label, dataset.classes);
        throw Error(place, fmt::format("label '{}' is not a class ({})", file.label, name_list(dataset.classes)),
                    near.empty() ? "" : fmt::format("did you mean {}?", name_list(near)));
      }
      label = static_cast<int>(found - dataset.classes.begin());
    }
    dataset.samples.emplace_back();
    dataset.samples.back().path = std::move(file.path);
    dataset.samples.back().label = label;
  }
  return dataset;
}

}  // namespace hone
