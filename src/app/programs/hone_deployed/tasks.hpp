#pragma once
// What each task makes of the model's answer: the lines that are printed for an image. Change these to do what you
// need.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "config.hpp"

using Lines = std::vector<std::string>;

struct Task {
  virtual ~Task() = default;
  virtual Lines run(const hone::ImageView& image) = 0;
};

inline std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%%", 100 * share);
  return text;
}

/// The most probable classes.
class Classification : public Task {
 public:
  explicit Classification(const Config& config)
      : config_(config), classifier_(config.model, {{"cpu", config.threads}, {}, {}}) {}
  Lines run(const hone::ImageView& image) override {
    Lines lines;
    for (const hone::ClassScore& score : classifier_.classify(image, config_.top))
      lines.push_back(config_.label(score.index) + ", " + percent(score.probability));
    return lines;
  }

 private:
  const Config& config_;
  hone::Classifier classifier_;
};

/// All classes that hold: probability of each on its own.
class MultiLabel : public Task {
 public:
  explicit MultiLabel(const Config& config)
      : config_(config), session_(hone::Model(config.model, {"cpu", config.threads})) {}
  Lines run(const hone::ImageView& image) override {
    Lines lines;
    std::vector<hone::Tensor> outputs = session_.run({hone::image_tensor(image)});
    auto logits = outputs.at(0).data<float>();
    for (size_t i = 0; i < logits.size(); ++i)
      if (double p = 1 / (1 + std::exp(-logits[i])); p >= config_.threshold)
        lines.push_back(config_.label(static_cast<int>(i)) + ", " + percent(p));
    return lines.empty() ? Lines{"no class"} : lines;
  }

 private:
  const Config& config_;
  hone::Session session_;
};

/// Objects: the model's output is a row of image, class, score, left, top, right, bottom for each, in pixels of the
/// image.
class Detection : public Task {
 public:
  explicit Detection(const Config& config)
      : config_(config), session_(hone::Model(config.model, {"cpu", config.threads})) {}
  Lines run(const hone::ImageView& image) override {
    std::vector<hone::Tensor> outputs = session_.run({hone::image_tensor(image)});
    auto values = outputs.at(0).data<float>();
    std::vector<std::array<float, 7>> rows;
    for (size_t i = 0; i + 7 <= values.size(); i += 7)
      if (values[i + 2] >= config_.threshold) std::copy_n(&values[i], 7, rows.emplace_back().begin());
    std::stable_sort(rows.begin(), rows.end(), [](auto& a, auto& b) { return a[2] > b[2]; });
    Lines lines;
    for (auto& row : rows) {
      char box[128];
      std::snprintf(box, sizeof box, "left %.0f top %.0f right %.0f bottom %.0f", row[3], row[4], row[5], row[6]);
      lines.push_back(config_.label(static_cast<int>(row[1])) + ", " + percent(row[2]) + ", " + box);
    }
    return lines.empty() ? Lines{"no objects"} : lines;
  }

 private:
  const Config& config_;
  hone::Session session_;
};

/// The share of the pixels that each class has; map() is the class of each pixel.
class Segmentation : public Task {
 public:
  explicit Segmentation(const Config& config)
      : config_(config), session_(hone::Model(config.model, {"cpu", config.threads})) {}

  /// One class a pixel of the image, row by row.
  std::vector<int> map(const hone::ImageView& image) {
    std::vector<hone::Tensor> outputs = session_.run({hone::image_tensor(image)});
    const hone::Tensor& scores = outputs.at(0);  // f32 [1, classes, height, width], often smaller than the image
    auto values = scores.data<float>();
    int64_t classes = scores.dims().at(1), height = scores.dims().at(2), width = scores.dims().at(3);
    std::vector<int> best(static_cast<size_t>(height * width), 0);
    for (int64_t c = 1; c < classes; ++c)
      for (size_t i = 0; i < best.size(); ++i)
        if (values[static_cast<size_t>(c) * best.size() + i] > values[static_cast<size_t>(best[i]) * best.size() + i])
          best[i] = static_cast<int>(c);
    std::vector<int> result;
    result.reserve(static_cast<size_t>(image.height) * static_cast<size_t>(image.width));
    double step_y = static_cast<double>(height) / image.height, step_x = static_cast<double>(width) / image.width;
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x) {
        int64_t from_y = std::min(height - 1, static_cast<int64_t>(y * step_y)),
                from_x = std::min(width - 1, static_cast<int64_t>(x * step_x));
        result.push_back(best[static_cast<size_t>(from_y * width + from_x)]);
      }
    return result;
  }

  Lines run(const hone::ImageView& image) override {
    std::vector<int64_t> count(256, 0);
    std::vector<int> classes = map(image), order;
    for (int c : classes) ++count[static_cast<size_t>(c)];
    for (int c = 0; c < 256; ++c)
      if (count[static_cast<size_t>(c)] > 0) order.push_back(c);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return count[static_cast<size_t>(a)] > count[static_cast<size_t>(b)]; });
    Lines lines;
    for (int c : order)
      lines.push_back(
          config_.label(c) + ", " +
          percent(static_cast<double>(count[static_cast<size_t>(c)]) / static_cast<double>(classes.size())) +
          " of the pixels");
    return lines;
  }

 private:
  const Config& config_;
  hone::Session session_;
};

inline std::unique_ptr<Task> make_task(const Config& config) {
  if (config.task == "classification") return std::make_unique<Classification>(config);
  if (config.task == "multi-label") return std::make_unique<MultiLabel>(config);
  if (config.task == "detection") return std::make_unique<Detection>(config);
  if (config.task == "segmentation") return std::make_unique<Segmentation>(config);
  throw hone::Error("app.conf",
                    "task '" + config.task + "' is none of classification, multi-label, detection, segmentation");
}
