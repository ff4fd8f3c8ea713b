#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/evaluation/evaluate.hpp"
#include "app/support/format.hpp"
#include "app/support/latency.hpp"

namespace hone::app {

/// One model file and what was measured of it.
struct ModelResult {
  std::string name;  ///< "FP32" or "INT8"
  std::filesystem::path file;
  double bytes = 0;
  Evaluation evaluation;
  Latency one_thread, all_threads;
};

struct ReportData {
  std::string title, data;
  std::vector<std::string> classes;
  std::vector<ModelResult> models;  ///< FP32 first
  Json training;                    ///< train.json; null when there is none
};

/// Share of the images for which both models give the same answer.
double agreement(const ModelResult& a, const ModelResult& b);

/// The page: one HTML document without references to anything outside it.
std::string report_page(const ReportData& data);

/// The table of the models for a terminal.
std::string comparison_table(const std::vector<ModelResult>& models);

}  // namespace hone::app
