#include "train/log/epoch_log.hpp"

#include <sstream>

#include <fmt/format.h>

#include "base/file.hpp"

namespace hone {

namespace {

/// The folder without the event files of an earlier run.
const std::filesystem::path& begun_anew(const std::filesystem::path& folder, bool resume) {
  std::error_code ignored;
  if (resume) return folder;
  std::vector<std::filesystem::path> old;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) old.push_back(entry.path());
  for (const auto& path : old) std::filesystem::remove(path, ignored);
  std::filesystem::remove(folder / "log.csv", ignored);
  return folder;
}

}  // namespace

EpochLog::EpochLog(const std::filesystem::path& folder, bool resume)
    : csv_(folder / "log.csv"), events_(begun_anew(folder, resume)) {
  std::error_code ignored;
  if (!std::filesystem::exists(csv_, ignored)) return;
  std::istringstream lines(read_text_file(csv_));
  std::string line;
  std::getline(lines, line);  // the names of the columns
  while (std::getline(lines, line)) rows_.push_back(line);
}

void EpochLog::add(const EpochRecord& e, const std::string& metric_name) {
  auto before = static_cast<size_t>(e.epoch - 1);
  if (rows_.size() > before) rows_.resize(before);
  rows_.push_back(fmt::format("{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.3f},{:.2f},{},{}", e.epoch, e.loss, e.metric,
                              e.validation_loss, e.validation_metric, e.learning_rate, e.seconds, e.images_per_second,
                              e.height, e.width));
  std::string text = fmt::format(
      "epoch,loss,{0},validation_loss,validation_{0},learning_rate,seconds,images_per_second,height,width\n",
      metric_name);
  for (const std::string& row : rows_) text += row + '\n';
  write_file(csv_, text);
  events_.add({.step = e.epoch,
               .values = {{"loss/train", static_cast<float>(e.loss)},
                          {"loss/validation", static_cast<float>(e.validation_loss)},
                          {metric_name + "/train", static_cast<float>(e.metric)},
                          {metric_name + "/validation", static_cast<float>(e.validation_metric)},
                          {"learning_rate", static_cast<float>(e.learning_rate)},
                          {"images_per_second", static_cast<float>(e.images_per_second)}}});
}

}  // namespace hone
