#include "app/quantize/quantize_report.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "app/support/skipped.hpp"

namespace hone::app {

namespace {

constexpr size_t most_lines = 20;

size_t quantized_count(const QuantizeReport& report) {
  size_t count = 0;
  for (const NodeReport& node : report.nodes) count += node.quantized;
  return count;
}

void add_int8(Json& json, const QuantizeReport& report) {
  json["samples"] = report.samples;
  json["seconds"] = report.seconds;
  json["quantized_nodes"] = quantized_count(report);
  json["int8_share"] = report.int8_share();
  json["seven_bit_weights"] = report.seven_bits;
  json["biases_corrected"] = report.biases_corrected;
  json["channels_equalized"] = report.channels_equalized;
  json["depthwise_inputs_aligned"] = report.depthwise_inputs_aligned;
  json["tied_channels_aligned"] = report.tied_channels_aligned;
  json["layers_smoothed"] = report.layers_smoothed;
  json["layers_rounded"] = report.layers_rounded;
  json["range"] = name_of(report.range);
  json["bias_correction"] = name_of(report.bias_correction);
  json["tried"] = Json::array();
  for (const TriedChoice& way : report.tried)
    json["tried"].push_back({{"range", name_of(way.range)},
                             {"bias_correction", name_of(way.bias_correction)},
                             {"error_feedback", way.error_feedback},
                             {"sqnr_db", way.sqnr_db}});
  json["batch_norms_measured"] = report.batch_norms_measured;
  json["fp32"] = Json::array();
  for (const NodeReport& node : report.nodes)
    if (!node.quantized)
      json["fp32"].push_back({{"name", node.name}, {"op", node.op}, {"reason", node.reason}, {"macs", node.macs}});
  json["values"] = Json::array();
  for (const ValueReport& value : report.values)
    json["values"].push_back({{"name", value.name},
                              {"min", value.min},
                              {"max", value.max},
                              {"low", value.range.low},
                              {"high", value.range.high},
                              {"type", name_of(value.quant.dtype)},
                              {"scale", value.quant.scale},
                              {"zero_point", value.quant.zero_point}});
}

void add_weights(Json& json, const CompressReport& report) {
  json["weights"] = Json::array();
  for (const CompressedWeight& weight : report.weights)
    json["weights"].push_back({{"node", weight.node},
                               {"op", weight.op},
                               {"format", weight.format},
                               {"elements", weight.elements},
                               {"relative_error", weight.error}});
  json["kept"] = Json::array();
  for (const NodeReport& node : report.kept)
    json["kept"].push_back({{"name", node.name}, {"op", node.op}, {"reason", node.reason}});
}

std::string counted(size_t count, const std::string& what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string describe(const QuantizeReport& report) {
  std::string text =
      fmt::format("{} of {} nodes in INT8, {} of the multiplications, {}, {}\n", quantized_count(report),
                  report.nodes.size(), format_percent(report.int8_share()),
                  counted(static_cast<size_t>(report.samples), "sample"), format_duration(report.seconds));
  text += fmt::format("ranges: {}, bias correction: {}", name_of(report.range), name_of(report.bias_correction));
  text += report.tried.empty() ? "\n" : fmt::format(" (best of {} tried on held-out samples)\n", report.tried.size());
  if (report.seven_bits) text += "weights in 7 bits, so that sums of 16 bits do not saturate\n";
  size_t kept = 0;
  for (const NodeReport& node : report.nodes) {
    if (node.quantized || ++kept > most_lines) continue;
    if (kept == 1) text += "stays FP32:\n";
    text += fmt::format("  {} '{}': {}\n", node.op, node.name, node.reason);
  }
  if (kept > most_lines) text += fmt::format("  and {} more (--json lists all)\n", kept - most_lines);
  return text;
}

std::string describe(const CompressReport& report) {
  std::map<std::string, std::pair<size_t, int64_t>> formats;
  for (const CompressedWeight& weight : report.weights) {
    ++formats[weight.format].first;
    formats[weight.format].second += weight.elements;
  }
  std::string text;
  for (auto& [format, count] : formats)
    text += fmt::format("{}: {} weights of {}\n", format, format_count(static_cast<double>(count.second)),
                        counted(count.first, "node"));
  if (!report.kept.empty())
    text += fmt::format("weights of {} stay as they are (--json says why)\n", counted(report.kept.size(), "node"));
  return text;
}

}  // namespace

Json to_json(const QuantizeOutcome& outcome) {
  Json json{{"model", outcome.model.string()},
            {"output", outcome.output.string()},
            {"model_bytes", std::filesystem::file_size(outcome.model)},
            {"output_bytes", std::filesystem::file_size(outcome.output)}};
  if (outcome.int8) add_int8(json, *outcome.int8);
  if (outcome.weights) add_weights(json, *outcome.weights);
  if (outcome.accuracy) {
    const AccuracyReport& report = *outcome.accuracy;
    json["accuracy"] = {{"fp32", report.fp32},
                        {"int8", report.int8},
                        {"result", report.accuracy},
                        {"met", report.met},
                        {"sampling_error", report.sampling_error},
                        {"reverted", report.reverted},
                        {"restored", report.restored},
                        {"validations", report.validations}};
  }
  if (!outcome.metric.empty()) json["metric"] = outcome.metric;
  if (outcome.before) json["metric_before"] = *outcome.before;
  if (outcome.after) json["metric_after"] = *outcome.after;
  if (!outcome.not_measured.empty()) json["not_measured"] = outcome.not_measured;
  json["notes"] = outcome.notes;
  json["skipped"] = Json::array();
  for (const Skipped& file : outcome.skipped)
    json["skipped"].push_back({{"file", file.path.string()}, {"reason", file.reason}});
  return json;
}

std::string to_text(const QuantizeOutcome& outcome) {
  auto before = static_cast<double>(std::filesystem::file_size(outcome.model));
  auto after = static_cast<double>(std::filesystem::file_size(outcome.output));
  std::string text = outcome.output.string() + "  ";
  if (outcome.int8) text += describe(*outcome.int8);
  if (outcome.weights) text += describe(*outcome.weights);
  text += fmt::format("size  {} -> {} ({:.1f}x {})\n", format_bytes(before), format_bytes(after),
                      std::max(before / after, after / before), after > before ? "larger" : "smaller");
  if (outcome.before && outcome.after)
    text += fmt::format("{} {} -> {} ({})\n", outcome.metric, format_percent(*outcome.before),
                        format_percent(*outcome.after), counted(outcome.images, "image"));
  if (!outcome.not_measured.empty()) text += "accuracy not measured: " + outcome.not_measured + "\n";
  if (outcome.accuracy && !outcome.accuracy->met)
    text += "the allowed drop was not met; this is the most accurate model that was found\n";
  for (const std::string& note : outcome.notes) text += "note: " + note + "\n";
  return text + describe_skipped(outcome.skipped);
}

}  // namespace hone::app
