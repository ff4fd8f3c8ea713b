// PNG sheets: every pixel row is one square image, and labels.txt has a line for each row of all sheets.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/error.hpp"
#include "base/file.hpp"
#include "data/formats/reader.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
struct Sheet {
  const FolderFile* file = nullptr;
  int64_t number = 0;
};

/// Files such as name_12.png, by number.
std::vector<Sheet> sheets_of(const Folder& folder) {
  std::vector<Sheet> sheets;
  for (const FolderFile* file : folder.in("")) {
    size_t digits = file->stem.find_last_not_of("0123456789") + 1;
    if (file->extension != ".png" || digits == file->stem.size() || digits == 0) continue;
    Sheet sheet{file, 0};
    auto [end, error] =
        std::from_chars(file->stem.data() + digits, file->stem.data() + file->stem.size(), sheet.number);
    if (error == std::errc()) sheets.push_back(sheet);
  }
  std::sort(sheets.begin(), sheets.end(), [](const Sheet& a, const Sheet& b) { return a.number < b.number; });
  return sheets;
}

/// The side of the square image whose pixels, row after row, are a sheet's row of that width; 0: none.
int side_of(int width) {
  int side = static_cast<int>(std::lround(std::sqrt(width)));
  return side >= 8 && side * side == width ? side : 0;
}

std::vector<Candidate> detect(const Folder& folder) {
  std::vector<Sheet> sheets = sheets_of(folder);
  if (sheets.empty() || !folder.find("labels.txt")) return {};
  int side = 0;
  try {
    side = side_of(image_size(folder.full(sheets[0].file->path)).width);
  } catch (const Error&) {
    return {};
  }
  if (side == 0) return {};
  return {{0.85,
           {Task::classification},
           "",
           fmt::format("labels.txt and {} sheets such as {} whose rows are images {}x{}", sheets.size(),
                       sheets[0].file->name, side, side)}};
}

std::vector<int> read_labels(const Folder& folder) {
  std::vector<int> labels;
  std::vector<std::string> lines = lines_of(read_text_file(folder.full("labels.txt")));
  for (size_t i = 0; i < lines.size(); ++i) {
    int label = -1;
    auto [end, error] = std::from_chars(lines[i].data(), lines[i].data() + lines[i].size(), label);
    if (error != std::errc() || *end != 0 || label < 0 || label > 100000)
      throw Error(fmt::format("{} line {}", quoted(folder.full("labels.txt")), i + 1),
                  fmt::format("'{}' is not a class number", lines[i].substr(0, 40)),
                  "expected one number from 0 a line");
    labels.push_back(label);
  }
  return labels;
}

Dataset read(const Folder& folder, const ReadRequest&) {
  Dataset dataset;
  std::vector<Sheet> sheets = sheets_of(folder);
  std::vector<int> labels = read_labels(folder);
  int64_t expected = sheets.empty() ? 0 : sheets[0].number;
  Part part = Part::train;
  for (const Sheet& sheet : sheets) {
    if (sheet.number != expected) part = Part::test;  // a gap in the numbers: what comes later was kept apart
    expected = sheet.number + 1;
    std::filesystem::path path = folder.full(sheet.file->path);
    Tensor pixels;
    try {
      pixels = decode_image(path);
    } catch (const Error& error) {
      dataset.problems.add("sheets that cannot be read were left out", quoted(path) + ": " + error.problem());
      continue;
    }
    int side = side_of(static_cast<int>(pixels.dim(1)));
    if (side == 0) {
      dataset.problems.add("sheets of another width were left out",
                           fmt::format("{}: {} pixels wide, expected a square number", quoted(path), pixels.dim(1)));
      continue;
    }
    size_t bytes = static_cast<size_t>(side) * static_cast<size_t>(side) * 3;
    auto owner = std::make_shared<Tensor>(pixels);
    for (int64_t row = 0; row < pixels.dim(0); ++row) {
      auto index = static_cast<size_t>(sheet.number * pixels.dim(0) + row);
      Sample sample;
      sample.path = path.string() + fmt::format("#{}", row);
      sample.pixels = Tensor(DType::u8, {side, side, 3},
                             static_cast<const char*>(pixels.raw()) + static_cast<size_t>(row) * bytes, bytes, owner);
      sample.size = {side, side};
      sample.part = part;
      if (index >= labels.size()) {
        dataset.problems.add("images without a label were left out", sample.path.string(),
                             fmt::format("labels.txt has {} lines", labels.size()));
        continue;
      }
      sample.label = labels[index];
      dataset.samples.push_back(std::move(sample));
    }
  }
  int most = 0;
  for (const Sample& sample : dataset.samples) most = std::max(most, sample.label + 1);
  dataset.classes = names_file(folder, {"classes.txt", "names.txt", "batches.meta.txt"});
  if (static_cast<int>(dataset.classes.size()) < most) number_classes(dataset, most);
  return dataset;
}
}  // namespace

const Reader sheets_reader = {"sheets", "PNG sheets with one small image a pixel row, and labels.txt", detect, read,
                              true};

}  // namespace hone
