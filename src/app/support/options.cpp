#include "app/support/options.hpp"
#include "app/support/range.hpp"

#include <charconv>
#include <cmath>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/support/usage_error.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace hone::app {

namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1)
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

float parse_number(const std::string& option, const std::string& text) {
  float value = 0;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
    throw UsageError(fmt::format("{}: '{}' is not a number", option, text));
  return value;
}

/// One number for all channels, or three.
std::array<float, 3> parse_channels(const std::string& option, const std::string& text) {
  std::vector<std::string> parts = split(text, ',');
  if (parts.size() == 1) parts.resize(3, parts[0]);
  if (parts.size() != 3)
    throw UsageError(
        fmt::format("{}: '{}' has {} numbers, expected one or three with commas", option, text, parts.size()));
  return {parse_number(option, parts[0]), parse_number(option, parts[1]), parse_number(option, parts[2])};
}

int parse_pixels(const std::string& option, const std::string& text, const std::string& whole) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 16384)
    throw UsageError(fmt::format("{}: '{}' is not a size, expected N or HxW in pixels (1 to 16384)", option, whole));
  return value;
}

}  // namespace

ImageSize parse_size(const std::string& option, const std::string& text) {
  size_t cross = text.find('x');
  if (cross == std::string::npos) {
    int side = parse_pixels(option, text, text);
    return {side, side};
  }
  return {parse_pixels(option, text.substr(0, cross), text), parse_pixels(option, text.substr(cross + 1), text)};
}

void DeviceFlags::add(CLI::App& app) {
  app.add_option("--threads", threads, "threads of an inference; 0: one per processor")->check(in_range(0, 1024));
  app.add_option("--device", device, "cpu or reference (see hone devices)");
  app.add_option("--disable-pass", disabled_passes, "leave out a graph pass by name")->default_str("");
  app.add_option("--disable-kernel", disabled_kernels, "leave out a kernel by name (see hone bench --explain)")
      ->default_str("");
  app.add_option("--autotune", autotune, "measure rival kernels of a layer at load, or go by estimates")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--cache-dir", cache_dir, "folder that keeps compiled plans for the next start");
}

DeviceOptions DeviceFlags::options() const {
  return {device, threads, disabled_passes, disabled_kernels, autotune != "off", cache_dir};
}

void ImageFlags::add(CLI::App& app) {
  const char* group = "Images for a plain model (one without preprocessing inside)";
  app.add_option("--mean", mean, "subtracted from pixels (0..255): one number, or three with commas")->group(group);
  app.add_option("--std", std, "what pixels are divided by after that: one number or three")->group(group);
  app.add_option("--scale", scale, "the same as --std 1/SCALE")->group(group);
  app.add_option("--channels", channels, "rgb (default) or bgr; mean and std are in this order")->group(group);
  app.add_option("--resize", resize, "N or HxW: input size, for models that leave it open")->group(group);
  app.add_option("--labels", labels, "text file with a class name a line");
}

std::string ImageFlags::given() const {
  if (!mean.empty()) return "--mean";
  if (!std.empty()) return "--std";
  if (!scale.empty()) return "--scale";
  if (!channels.empty()) return "--channels";
  if (!resize.empty()) return "--resize";
  return "";
}

Preprocess ImageFlags::preprocess(const Graph& model) const {
  Preprocess result;
  result.antialias = false;
  if (!mean.empty()) result.mean = parse_channels("--mean", mean);
  if (!std.empty() && !scale.empty()) throw UsageError("--std and --scale say the same thing; give one of them");
  if (!std.empty()) result.std = parse_channels("--std", std);
  if (!scale.empty()) {
    result.std = parse_channels("--scale", scale);
    for (float& value : result.std) value = 1 / value;
  }
  for (float value : result.std)
    if (value == 0 || !std::isfinite(value)) throw UsageError("--std and --scale must not be 0");
  if (!channels.empty() && channels != "rgb" && channels != "bgr")
    throw UsageError(fmt::format("--channels: got '{}', expected rgb or bgr", channels));
  result.bgr = channels == "bgr";
  if (!resize.empty()) {
    ImageSize size = parse_size("--resize", resize);
    result.height = size.height;
    result.width = size.width;
    return result;
  }
  const Value* input = model.inputs().size() == 1 ? model.inputs()[0] : nullptr;
  if (input && input->shape().rank() == 4) {
    result.height = input->shape()[2].value;
    result.width = input->shape()[3].value;
    if (result.height <= 0 || result.width <= 0)
      throw Error("input '" + input->name + "'",
                  "is " + to_string(input->type) + ": the model leaves the image size open",
                  "give it with --resize HxW");
  }
  return result;  // attach_preprocess() says what is wrong with any other input
}

bool ImageFlags::ready_for_images(const Graph& model) const {
  if (!takes_images(model)) return false;
  if (std::string option = given(); !option.empty())
    throw UsageError(option +
                     ": this model has its own preprocessing and takes images as they are; leave the option out");
  return true;
}

std::vector<std::string> ImageFlags::class_names(const Graph& model) const {
  if (labels.empty()) return get_labels(model.metadata);
  std::vector<std::string> names;
  for (std::string& line : split(read_text_file(labels), '\n')) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    names.push_back(std::move(line));
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  if (names.empty()) throw Error("'" + labels + "'", "has no lines", "expected a class name a line");
  return names;
}

}  // namespace hone::app
