#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/support/format.hpp"
#include "data/dataset.hpp"
#include "quantize/accuracy_control.hpp"
#include "quantize/compress.hpp"

namespace hone::app {

/// What `hone quantize` did, for people and programs.
struct QuantizeOutcome {
  std::filesystem::path model, output;
  std::optional<QuantizeReport> int8;
  std::optional<CompressReport> weights;
  std::optional<AccuracyReport> accuracy;       ///< of a search
  std::string metric;                           ///< "top-1", "mAP" or "mIoU"
  std::optional<double> before, after;          ///< the metric
  size_t images = 0;                            ///< that it is of
  std::string not_measured;                     ///< why there is none, or empty
  std::vector<Skipped> skipped;
  std::vector<std::string> notes;               ///< what of a configuration file has no effect, and what was assumed
};

Json to_json(const QuantizeOutcome& outcome);
std::string to_text(const QuantizeOutcome& outcome);

}  // namespace hone::app
