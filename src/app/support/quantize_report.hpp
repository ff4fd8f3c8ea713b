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
  std::optional<double> top1_before, top1_after;
  size_t images = 0;                            ///< that top-1 is of
  std::string not_measured;                     ///< why there is no top-1, or empty
  std::vector<Skipped> skipped;
};

Json to_json(const QuantizeOutcome& outcome);
std::string to_text(const QuantizeOutcome& outcome);

}  // namespace hone::app
