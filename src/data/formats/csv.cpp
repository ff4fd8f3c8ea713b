// CSV tables: file,label - file,x1,y1,x2,y2,label (or x,y,w,h) - file and one 0/1 column a class, or a list of labels.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/formats/csv_parser.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
enum class Kind { unknown, label, boxes, columns, list };

struct Columns {
  Kind kind = Kind::unknown;
  bool header = false;
  int file = -1, label = -1, part = -1;
  int left = -1, top = -1, right = -1, bottom = -1;  // or width and height
  bool sizes = false;                                 // right and bottom are width and height
  std::vector<int> classes;                           // of Kind::columns
  char separator = ',';
};

std::optional<double> number(const std::string& field) {
  std::string text = trimmed(field);
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

int column(const CsvRow& header, std::initializer_list<const char*> names) {
  for (const char* name : names)
    for (size_t i = 0; i < header.fields.size(); ++i)
      if (to_lower(trimmed(header.fields[i])) == name) return static_cast<int>(i);
  return -1;
}

char separator_of(const std::string& text) {
  std::string first = text.substr(0, text.find('\n'));
  char best = ',';
  for (char c : {';', '\t'})
    if (std::count(first.begin(), first.end(), c) > std::count(first.begin(), first.end(), best)) best = c;
  return best;
}

bool is_flag(const std::string& field) {
  std::string text = to_lower(trimmed(field));
  return text.empty() || text == "0" || text == "1" || text == "-1" || text == "true" || text == "false" ||
         text == "0.0" || text == "1.0";
}

void find_named(const CsvRow& header, const std::vector<CsvRow>& rows, Columns& columns) {
  columns.file = column(
      header, {"file", "filename", "file_name", "path", "image", "image_path", "img", "image_name", "image_id", "id"});
  columns.label =
      column(header, {"label0", "label", "class", "labels", "tags", "classes", "class_name", "category", "target"});
  columns.part = column(header, {"split", "set", "part", "subset", "partition", "usage"});
  if (columns.label < 0 && columns.file >= 0 && header.fields.size() == (columns.part < 0 ? 2u : 3u))  // id,breed
    for (int i = 0; i < static_cast<int>(header.fields.size()); ++i)
      if (i != columns.file && i != columns.part) columns.label = i;
  columns.left = column(header, {"xmin", "x1", "x_min", "left", "x"});
  columns.top = column(header, {"ymin", "y1", "y_min", "top", "y"});
  columns.right = column(header, {"xmax", "x2", "x_max", "right"});
  columns.bottom = column(header, {"ymax", "y2", "y_max", "bottom"});
  if (columns.right < 0) {
    columns.right = column(header, {"w", "width", "box_width"});
    columns.bottom = column(header, {"h", "height", "box_height"});
    columns.sizes = true;
  }
  if (columns.file < 0) return;
  if (columns.left >= 0 && columns.top >= 0 && columns.right >= 0 && columns.bottom >= 0 && columns.label >= 0) {
    columns.kind = Kind::boxes;
  } else if (columns.label >= 0) {
    std::string name = to_lower(trimmed(header.fields[static_cast<size_t>(columns.label)]));
    bool lists = name == "tags" || std::any_of(rows.begin(), rows.end(), [&](const CsvRow& row) {
      return static_cast<int>(row.fields.size()) > columns.label &&
             row.fields[static_cast<size_t>(columns.label)].find_first_of("|;,") != std::string::npos;
    });
    columns.kind = lists ? Kind::list : Kind::label;
  } else {
    for (int i = 0; i < static_cast<int>(header.fields.size()); ++i) {
      bool flags =
          i != columns.file && i != columns.part && std::all_of(rows.begin(), rows.end(), [&](const CsvRow& row) {
            return static_cast<int>(row.fields.size()) <= i || is_flag(row.fields[static_cast<size_t>(i)]);
          });
      if (flags) columns.classes.push_back(i);
    }
    if (columns.classes.size() >= 2) columns.kind = Kind::columns;
  }
}

/// Files without a header: file,label or file,x1,y1,x2,y2,label, known by what the fields look like.
void find_unnamed(const CsvRow& row, Columns& columns) {
  const auto& fields = row.fields;
  if (fields.size() < 2 || !has_image_extension(trimmed(fields[0]))) return;
  columns.file = 0;
  if (fields.size() == 6) {
    bool empty = trimmed(fields[1]).empty(), numbers = true;
    for (size_t i = 1; i < 5; ++i) numbers = numbers && (empty || number(fields[i]));
    if (!numbers) return;
    columns.left = 1, columns.top = 2, columns.right = 3, columns.bottom = 4, columns.label = 5;
    columns.kind = Kind::boxes;
  } else if (fields.size() == 2) {
    columns.label = 1;
    columns.kind = fields[1].find_first_of("|;") != std::string::npos ? Kind::list : Kind::label;
  }
}

Columns look(const std::string& text) {
  Columns columns;
  columns.separator = separator_of(text);
  CsvParser parser(text, columns.separator);
  std::optional<CsvRow> first = parser.next();
  if (!first) return columns;
  std::vector<CsvRow> rows;
  for (std::optional<CsvRow> row; rows.size() < 1000 && (row = parser.next());) rows.push_back(std::move(*row));
  bool headless = std::any_of(first->fields.begin(), first->fields.end(),
                              [](const std::string& field) { return has_image_extension(trimmed(field)); });
  columns.header = !headless;
  if (headless)
    find_unnamed(*first, columns);
  else
    find_named(*first, rows, columns);
  return columns;
}

const char* description_of(Kind kind) {
  switch (kind) {
    case Kind::label: return "a file and a label a line";
    case Kind::boxes: return "a file, a box and a label a line";
    case Kind::columns: return "a file and one 0/1 column a class";
    case Kind::list: return "a file and a list of labels a line";
    default: return "columns of unknown meaning";
  }
}

/// Tables by the names of files: .csv and .tsv.
std::vector<const FolderFile*> tables(const Folder& folder) {
  std::vector<const FolderFile*> files = folder.with_extension(".csv");
  for (const FolderFile* file : folder.with_extension(".tsv")) files.push_back(file);
  return files;
}

std::vector<Candidate> detect(const Folder& folder) {
  struct Found {
    const FolderFile* file;
    Kind kind;
  };
  std::vector<Found> found;
  for (const FolderFile* file : tables(folder)) {
    if (std::count(file->path.begin(), file->path.end(), '/') > 2) continue;
    Columns columns = look(read_text_file(folder.full(file->path)).substr(0, 1 << 20));
    if (columns.kind != Kind::unknown) found.push_back({file, columns.kind});
  }
  if (found.empty()) return {};
  // Files named after splits belong together; otherwise each is a data set of its own.
  bool parts = std::all_of(found.begin(), found.end(), [&](const Found& one) {
    return part_of(one.file->path) != Part::none && one.kind == found[0].kind;
  });
  std::vector<Candidate> candidates;
  for (const Found& one : found) {
    Candidate candidate;
    candidate.certainty = 0.85;
    candidate.tasks = {one.kind == Kind::boxes                                ? Task::detection
                       : one.kind == Kind::label                              ? Task::classification
                                                                              : Task::multi_label};
    candidate.where = parts && found.size() > 1 ? "" : one.file->path;
    candidate.why = fmt::format("{} has {}", one.file->path, description_of(one.kind));
    if (parts && found.size() > 1) candidate.why += fmt::format(" ({} such files)", found.size());
    candidates.push_back(candidate);
    if (parts) break;
  }
  return candidates;
}

class TableReader {
 public:
  TableReader(const Folder& folder, Dataset& dataset) : folder_(folder), dataset_(dataset) {}

  void read(const FolderFile& file) {
    file_ = &file;
    std::string text = read_text_file(folder_.full(file.path));
    columns_ = look(text);
    if (columns_.kind == Kind::unknown)
      throw Error(quoted(folder_.full(file.path)), "its columns are not understood",
                  "expected a header such as file,label or file,x1,y1,x2,y2,label");
    CsvParser parser(text, columns_.separator);
    if (columns_.header) {
      CsvRow header = *parser.next();
      if (columns_.kind == Kind::columns)
        for (int i : columns_.classes) class_index(dataset_.classes, trimmed(header.fields[static_cast<size_t>(i)]));
    }
    while (std::optional<CsvRow> row = parser.next()) add(*row);
  }
  /// Labels were collected as words: now numbers in order, or names sorted.
  void finish() {
    if (dataset_.classes.empty()) order_labels();
    for (Sample& sample : dataset_.samples) std::sort(sample.labels.begin(), sample.labels.end());
  }

 private:
  std::string place(const CsvRow& row) const {
    return fmt::format("{} line {}", quoted(folder_.full(file_->path)), row.line);
  }
  std::string field(const CsvRow& row, int index) const {
    return index >= 0 && index < static_cast<int>(row.fields.size()) ? trimmed(row.fields[static_cast<size_t>(index)])
                                                                     : "";
  }

  Sample* sample_of(const CsvRow& row) {
    std::string name = field(row, columns_.file);
    if (name.empty()) {
      dataset_.problems.add("lines without a file name were left out", place(row));
      return nullptr;
    }
    const FolderFile* image = folder_.locate_image(name, file_->directory, file_->stem);
    for (const char* extension : {".jpg", ".png", ".jpeg"})  // tables of ids
      if (!image && !has_image_extension(name))
        image = folder_.locate_image(name + extension, file_->directory, file_->stem);
    std::filesystem::path path = image ? folder_.full(image->path) : std::filesystem::path(name);
    std::error_code ignored;
    if (!image && !(path.is_absolute() && std::filesystem::is_regular_file(path, ignored)) &&
        !std::filesystem::is_regular_file(path = folder_.full(file_->directory) / name, ignored)) {
      dataset_.problems.add("annotations of images that are not there were left out",
                            fmt::format("{}: no file '{}'", place(row), name),
                            "paths in the CSV are relative to its folder");
      return nullptr;
    }
    auto [found, added] = by_path_.try_emplace(path.string(), dataset_.samples.size());
    if (added) {
      dataset_.samples.emplace_back();
      dataset_.samples.back().path = path;
      Part stated = columns_.part < 0 ? Part::none : part_of(field(row, columns_.part));
      dataset_.samples.back().part = stated == Part::none ? part_of(file_->path) : stated;
    } else if (columns_.kind != Kind::boxes) {
      dataset_.problems.add("images that are listed twice: the first line counts", place(row),
                            "delete one of the lines");
      return nullptr;
    }
    return &dataset_.samples[found->second];
  }

  int word(const std::string& label) {
    auto [found, added] = words_.try_emplace(label, static_cast<int>(labels_.size()));
    if (added) labels_.push_back(label);
    return found->second;
  }

  void add(const CsvRow& row) {
    Sample* sample = sample_of(row);
    if (!sample) return;
    std::string label = field(row, columns_.label);
    if (columns_.kind == Kind::boxes) {
      add_box(row, label, *sample);
    } else if (columns_.kind == Kind::columns) {
      for (size_t i = 0; i < columns_.classes.size(); ++i) {
        std::string flag = to_lower(field(row, columns_.classes[i]));
        if (flag == "1" || flag == "true" || flag == "1.0") sample->labels.push_back(static_cast<int>(i));
      }
    } else if (columns_.kind == Kind::list) {
      add_list(label, *sample);
    } else if (label.empty()) {
      dataset_.problems.add("images without a label were left out", place(row));
      by_path_.erase(sample->path.string());
      dataset_.samples.pop_back();
    } else {
      sample->label = word(label);
    }
  }

  void add_list(const std::string& text, Sample& sample) {
    const char* separators = text.find_first_of("|;,") != std::string::npos ? "|;," : " ";
    for (size_t begin = 0; begin <= text.size();) {
      size_t end = std::min(text.find_first_of(separators, begin), text.size());
      std::string one = trimmed(text.substr(begin, end - begin));
      if (!one.empty()) sample.labels.push_back(word(one));
      begin = end + 1;
    }
  }

  void add_box(const CsvRow& row, const std::string& label, Sample& sample) {
    std::string fields[4] = {field(row, columns_.left), field(row, columns_.top), field(row, columns_.right),
                             field(row, columns_.bottom)};
    if (fields[0].empty() && fields[1].empty() && fields[2].empty()) return;  // an image without objects
    double v[4];
    for (int i = 0; i < 4; ++i) {
      std::optional<double> value = number(fields[i]);
      if (!value) {
        dataset_.problems.add("boxes that are no numbers were left out",
                              fmt::format("{}: '{}'", place(row), fields[i]));
        return;
      }
      v[i] = *value;
    }
    if (label.empty()) {
      dataset_.problems.add("boxes without a label were left out", place(row));
      return;
    }
    Annotation object;
    object.label = word(label);
    object.box = columns_.sizes ? Box{v[0], v[1], v[2], v[3]} : Box{v[0], v[1], v[2] - v[0], v[3] - v[1]};
    sample.objects.push_back(object);
  }

  void order_labels() {
    std::vector<int> map(labels_.size());
    int most = -1;
    bool numbers = !labels_.empty();
    for (size_t i = 0; i < labels_.size() && numbers; ++i) {
      std::optional<double> value = number(labels_[i]);
      numbers = value && *value >= 0 && *value < 100000 && *value == std::floor(*value);
      if (numbers) most = std::max(most, map[i] = static_cast<int>(*value));
    }
    if (numbers) {
      number_classes(dataset_, most + 1);
    } else {
      dataset_.classes = labels_;
      std::sort(dataset_.classes.begin(), dataset_.classes.end());
      for (size_t i = 0; i < labels_.size(); ++i)
        map[i] = static_cast<int>(std::lower_bound(dataset_.classes.begin(), dataset_.classes.end(), labels_[i]) -
                                  dataset_.classes.begin());
    }
    for (Sample& sample : dataset_.samples) {
      if (sample.label >= 0) sample.label = map[static_cast<size_t>(sample.label)];
      for (int& label : sample.labels) label = map[static_cast<size_t>(label)];
      for (Annotation& object : sample.objects) object.label = map[static_cast<size_t>(object.label)];
    }
  }

  const Folder& folder_;
  Dataset& dataset_;
  const FolderFile* file_ = nullptr;
  Columns columns_;
  std::map<std::string, size_t> by_path_;
  std::map<std::string, int> words_;
  std::vector<std::string> labels_;
};

Dataset read(const Folder& folder, const ReadRequest& request) {
  Dataset dataset;
  TableReader reader(folder, dataset);
  for (const FolderFile* file : tables(folder)) {
    if (!request.candidate.where.empty() && file->path != request.candidate.where) continue;
    if (request.candidate.where.empty() && part_of(file->path) == Part::none) continue;
    reader.read(*file);
  }
  reader.finish();
  return dataset;
}
}  // namespace

const Reader csv_reader = {"csv", "table of files with labels, boxes, or several labels each", detect, read};

}  // namespace hone
