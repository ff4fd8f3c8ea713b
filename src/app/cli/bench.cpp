#include <charconv>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/support/format.hpp"
#include "app/support/latency.hpp"
#include "app/support/model_argument.hpp"
#include "app/support/range.hpp"
#include "app/support/throughput.hpp"
#include "app/support/trace.hpp"
#include "app/support/usage_error.hpp"
#include "kernels/peak.hpp"

namespace hone::app {

namespace {

struct BenchOptions {
  std::string model, size, trace, streams;
  DeviceFlags device;
  int batch = 1;
  double seconds = 3;
  bool layers = false, explain = false, json = false;

  void add(CLI::App& app) {
    app.add_option("MODEL", model, "model file")->required()->transform(model_or_its_folder());
    app.add_option("--batch", batch, "samples an inference")->check(in_range(1, 65536));
    app.add_option("--seconds", seconds, "time to measure")->check(in_range(0.0, 86400.0));
    app.add_option("--size", size, "HxW of the input image, for models that leave it open");
    app.add_option("--streams", streams,
                   "throughput of N inferences at a time, which share the threads; auto: the best N");
    app.add_flag("--layers", layers, "time of each step, and how far it is from what the machine can do");
    app.add_option("--trace", trace,
                   "write the steps as a Chrome trace (chrome://tracing, Perfetto) to this JSON file");
    app.add_flag("--explain", explain, "which kernel each step got, and why not another");
    app.add_flag("--json", json, "print JSON");
    device.add(app);
  }
};

/// The names of ONNX Runtime for element types.
std::string type_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "float32";
    case DType::f64: return "float64";
    case DType::f16: return "float16";
    case DType::bf16: return "bfloat16";
    case DType::u8: return "uint8";
    case DType::i8: return "int8";
    case DType::u16: return "uint16";
    case DType::i16: return "int16";
    case DType::u32: return "uint32";
    case DType::i32: return "int32";
    case DType::u64: return "uint64";
    case DType::i64: return "int64";
    default: return name_of(dtype);
  }
}

bool by_reference(const StepInfo& step) { return step.kernel.starts_with("reference"); }

double step_ms(const Latency& latency, size_t step) {
  if (latency.times.runs == 0) return 0;
  return static_cast<double>(latency.times.nanoseconds[step]) * 1e-6 / static_cast<double>(latency.times.runs);
}

/// Which share of the machine's multiply-adds the step used; 0 for steps that are not about arithmetic.
double share_of_peak(const Latency& latency, size_t step, const kernels::Peak& peak) {
  const StepInfo& info = latency.plan->steps()[step];
  double ms = step_ms(latency, step), best = info.op.ends_with(" int8") ? peak.int8 : peak.f32;
  return ms > 0 && best > 0 ? info.flops / ms * 1e-6 / best : 0;
}

Json steps_json(const Latency& latency, const BenchOptions& options, const kernels::Peak& peak) {
  Json list = Json::array();
  const auto& steps = latency.plan->steps();
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepInfo& step = steps[i];
    Json entry = {
        {"node", step.node}, {"op", step.op}, {"kernel", step.kernel}, {"shape", step.shape}, {"flops", step.flops}};
    entry["reference"] = by_reference(step);
    if (options.layers) {
      entry["ms"] = step_ms(latency, i);
      entry["share_of_peak"] = share_of_peak(latency, i, peak);
    }
    if (options.explain) entry["notes"] = step.notes;
    list.push_back(entry);
  }
  return list;
}

Json ports_json(const std::vector<Port>& ports) {
  Json list = Json::array();
  for (const Port& port : ports)
    list.push_back({{"name", port.name}, {"type", type_name(port.dtype)}, {"dims", port.shape.concrete()}});
  return list;
}

Json to_json(const Latency& latency, const BenchOptions& options, const kernels::Peak& peak) {
  Json json;
  json["model"] = options.model;
  json["device"] = options.device.device;
  json["threads"] = latency.threads;
  json["batch"] = options.batch;
  json["median_ms"] = latency.median_ms;
  json["best_ms"] = latency.best_ms;
  json["p90_ms"] = latency.p90_ms;
  json["throughput"] = latency.throughput;
  json["runs"] = latency.runs;
  json["load_ms"] = latency.load_ms;
  json["first_ms"] = latency.first_ms;
  json["peak_memory_mb"] = latency.peak_memory_mb;
  json["arena_mb"] = latency.arena_mb;
  json["weights_mb"] = latency.weights_mb;
  json["inputs"] = ports_json(latency.inputs);
  if (options.layers) json["peak_gflops"] = {{"f32", peak.f32}, {"int8", peak.int8}};
  if (options.layers || options.explain) json["steps"] = steps_json(latency, options, peak);
  return json;
}

void print_summary(const Latency& latency, const BenchOptions& options) {
  std::string inputs;
  for (const Port& input : latency.inputs)
    inputs +=
        fmt::format("{}{} {}{}", inputs.empty() ? "" : ", ", input.name, name_of(input.dtype), to_string(input.shape));
  fmt::print("{}  on {}, {} thread{}, batch {}  ({})\n", options.model, options.device.device, latency.threads,
             latency.threads == 1 ? "" : "s", options.batch, inputs);
  fmt::print("latency     median {:.3f} ms   best {:.3f} ms   p90 {:.3f} ms   ({} runs)\n", latency.median_ms,
             latency.best_ms, latency.p90_ms, latency.runs);
  fmt::print("throughput  {:.1f} samples/s\n", latency.throughput);
  fmt::print("memory      peak {:.0f} MB, activations {:.1f} MB, weights {:.1f} MB\n", latency.peak_memory_mb,
             latency.arena_mb, latency.weights_mb);
  fmt::print("start       load {:.0f} ms, first inference {:.0f} ms\n", latency.load_ms, latency.first_ms);
}

void print_layers(const Latency& latency, const kernels::Peak& peak) {
  const auto& steps = latency.plan->steps();
  double total = 0;
  for (size_t i = 0; i < steps.size(); ++i) total += step_ms(latency, i);
  Table table({"node", "op", "output", "ms", "share", "GFLOP/s", "of peak", "kernel"}, {1, 2, 7});
  for (size_t i = 0; i < steps.size(); ++i) {
    double ms = step_ms(latency, i);
    table.add({steps[i].node, steps[i].op, steps[i].shape, fmt::format("{:.3f}", ms),
               format_percent(total > 0 ? ms / total : 0),
               steps[i].flops > 0 && ms > 0 ? fmt::format("{:.1f}", steps[i].flops / ms * 1e-6) : "",
               steps[i].flops > 0 ? format_percent(share_of_peak(latency, i, peak)) : "", steps[i].kernel});
  }
  fmt::print("\n{}{} steps, {:.3f} ms; peak measured now: {:.0f} GFLOP/s in f32, {:.0f} GOP/s in int8\n", table.text(),
             steps.size(), total, peak.f32, peak.int8);
}

void print_explanation(const Latency& latency) {
  fmt::print("\n");
  int64_t slow = 0;
  for (const StepInfo& step : latency.plan->steps()) {
    slow += by_reference(step);
    fmt::print("{}  {} {}\n  -> {}{}\n", step.node, step.op, step.shape, step.kernel,
               by_reference(step) ? "   [no fast kernel: runs by reference evaluation]" : "");
    for (const std::string& note : step.notes) fmt::print("     {}\n", note);
  }
  fmt::print("{} of {} steps run by reference evaluation\n", slow, latency.plan->steps().size());
}

/// The number of streams, 0 for auto. Throws UsageError.
int parse_streams(const BenchOptions& options) {
  if (options.layers || options.explain || !options.trace.empty())
    throw UsageError("--streams measures all streams together: leave --layers, --explain and --trace out");
  if (options.streams == "auto") return 0;
  int streams = 0;
  const char *begin = options.streams.data(), *end = begin + options.streams.size();
  auto [rest, error] = std::from_chars(begin, end, streams);
  if (error != std::errc() || rest != end || streams < 1 || streams > 1024)
    throw UsageError("--streams is '" + options.streams + "', expected a number from 1 to 1024, or auto");
  return streams;
}

int bench_streams(const BenchOptions& options, const LatencyOptions& measure) {
  int streams = parse_streams(options);
  Throughput result = streams > 0 ? measure_throughput(options.model, measure, streams)
                                  : measure_best_throughput(options.model, measure);
  if (options.json) {
    Json json{{"model", options.model},        {"device", options.device.device}, {"streams", result.streams},
              {"threads", result.threads},     {"batch", options.batch},          {"throughput", result.rate},
              {"median_ms", result.median_ms}, {"p90_ms", result.p90_ms},         {"runs", result.runs},
              {"load_ms", result.load_ms},     {"peak_memory_mb", result.peak_memory_mb}};
    json["inputs"] = ports_json(result.inputs);
    json["tried"] = Json::array();
    for (const auto& [n, threads, rate] : result.tried)
      json["tried"].push_back({{"streams", n}, {"threads", threads}, {"throughput", rate}});
    print_json(json);
    return 0;
  }
  for (const auto& [n, threads, rate] : result.tried)
    fmt::print("tried       {:3} stream{} of {} thread{}: {:.1f} samples/s\n", n, n == 1 ? " " : "s", threads,
               threads == 1 ? "" : "s", rate);
  fmt::print("{}  on {}, {} stream{} of {} thread{}, batch {}\n", options.model, options.device.device, result.streams,
             result.streams == 1 ? "" : "s", result.threads, result.threads == 1 ? "" : "s", options.batch);
  fmt::print("throughput  {:.1f} samples/s\n", result.rate);
  fmt::print("latency     median {:.3f} ms   p90 {:.3f} ms   ({} runs)\n", result.median_ms, result.p90_ms,
             result.runs);
  fmt::print("memory      peak {:.0f} MB\n", result.peak_memory_mb);
  return 0;
}

int bench(const BenchOptions& options) {
  LatencyOptions measure{options.device.options(), options.batch, options.seconds};
  if (!options.size.empty()) measure.size = parse_size("--size", options.size);
  if (!options.streams.empty()) return bench_streams(options, measure);
  measure.profile = options.layers || !options.trace.empty();
  Latency latency = measure_latency(options.model, measure);
  kernels::Peak peak;
  if (options.layers) peak = kernels::measure_peak(latency.threads);
  if (!options.trace.empty()) write_trace(options.trace, latency);
  if (options.json) {
    print_json(to_json(latency, options, peak));
    return 0;
  }
  print_summary(latency, options);
  if (options.layers) print_layers(latency, peak);
  if (options.explain) print_explanation(latency);
  return 0;
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  options->add(app);
  return [options] { return bench(*options); };
}

}  // namespace hone::app
