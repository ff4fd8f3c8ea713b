#include "quantize/compress.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/quant/dequantize_linear.hpp"
#include "optimize/any_batch.hpp"
#include "quantize/group_quant.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/names.hpp"
#include "quantize/observer.hpp"
#include "quantize/weights.hpp"
#include "tensor/int4.hpp"
#include "tensor/signal_noise.hpp"

namespace hone {

namespace {

void check_options(const CompressOptions& options, const CalibrationSource& calibration) {
  auto fail = [](const std::string& problem, const std::string& remedy) {
    throw Error("compress weights", problem, remedy);
  };
  if (options.group_size != -1 && options.group_size < 2)
    fail(fmt::format("group size is {}", options.group_size), "expected 32, 64, 128 or -1 (one group for all)");
  if (!(options.ratio >= 0 && options.ratio <= 1)) fail(fmt::format("ratio is {}", options.ratio), "expected 0 to 1");
  if (options.data_aware && !calibration)
    fail("data_aware needs calibration data", "give sample data, or choose by weights alone");
}

bool is_float_format(WeightFormat format) { return format == WeightFormat::fp16 || format == WeightFormat::bf16; }

// A weight that can be compressed: where it is used and how its axes lie.
struct Candidate {
  Node* node;
  size_t input;
  int axis;        // of the inputs: groups lie along it
  bool embedding;
  int64_t elements() const { return node->input(input)->constant().size(); }
};

class Compressor {
 public:
  Compressor(Graph& graph, const CompressOptions& options, CompressReport& report)
      : graph_(graph), options_(options), report_(report) {}

  void run(const OriginalNames& original, const CalibrationSource& calibration, const MakeRunner& make_runner,
           Progress& progress) {
    QuantizeOptions names;
    names.ignored_nodes = options_.ignored_nodes;
    names.ignored_patterns = options_.ignored_patterns;
    names.ignored_op_types = options_.ignored_op_types;
    names.ignored_must_match = options_.ignored_must_match;
    IgnoreList ignored(graph_, names, original);
    for (Node* node : graph_.node_list()) consider(node, ignored);
    for (const Candidate& candidate : candidates_) check_finite(*candidate.node, candidate.input);
    if (options_.data_aware) measure(calibration, make_runner, progress);
    choose_bits(progress);
    progress.begin("compress weights", static_cast<int64_t>(candidates_.size()));
    for (size_t i = 0; i < candidates_.size(); ++i) {
      check_interrupt("compress weights");
      apply(candidates_[i], settings_[i]);
      progress.update(static_cast<int64_t>(i) + 1);
    }
    progress.end();
    graph_.remove_dead();
  }

 private:
  void consider(Node* node, const IgnoreList& ignored) {
    bool product = node->is("MatMul") || node->is("Gemm"), table = node->is("Gather");
    size_t input = table ? 0 : 1;
    const Value* weights = node->input(input);
    if (!weights || !(product || table || node->is("Conv"))) return;
    auto keep = [&](const std::string& reason) {
      report_.kept.push_back({node->name, node->op().type(), false, reason, 0});
    };
    if (!weights->is_constant()) return;
    if (ignored.contains(*node)) return keep("ignored on request");
    if (!constant_f32(weights)) return keep("its weights are not f32");
    if (weights->constant().size() < options_.smallest)
      return keep(fmt::format("fewer than {} weights", options_.smallest));
    if (node->is("Conv")) return keep("integer weights alone do not pay in convolutions");
    if (weights->constant().rank() != 2) return keep("its weights are not a matrix");
    if (table && !options_.embeddings) return keep("embeddings are left out");
    if (graph_.use_count(weights) != 1) return keep("several nodes share its weights");
    const auto* gemm = node->as<ops::Gemm>();
    candidates_.push_back({node, input, table || (gemm && gemm->transB) ? 1 : 0, table});
  }

  // The mean square of each input of the products.
  void measure(const CalibrationSource& calibration, const MakeRunner& make_runner, Progress& progress) {
    SampleStream samples(graph_, calibration, options_.subset_size);
    std::vector<std::string> names;
    std::vector<size_t> index;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Value* x = candidates_[i].node->input(0);
      const auto* gemm = candidates_[i].node->as<ops::Gemm>();
      if (candidates_[i].embedding || x->is_constant() || (gemm && gemm->transA)) continue;
      names.push_back(x->name);
      index.push_back(i);
    }
    if (names.empty()) return;
    Probe probe(graph_, names, make_runner);
    importance_.resize(candidates_.size());
    std::vector<Tensor> inputs;
    progress.begin("measure inputs", samples.subset_size());
    int64_t done = 0;
    while (samples.next(inputs)) {
      std::vector<Tensor> values = probe.run(inputs);
      for (size_t v = 0; v < values.size(); ++v) {
        size_t channels = static_cast<size_t>(values[v].dim(-1));
        auto& sums = importance_[index[v]];
        sums.resize(channels);
        auto data = values[v].data<float>();
        for (size_t i = 0; i < data.size(); ++i) sums[i % channels] += data[i] * data[i];
      }
      progress.update(done += images_in(inputs));
    }
    progress.end();
  }

  std::vector<float> importance_of(size_t i) const {
    if (i >= importance_.size() ||
        static_cast<int64_t>(importance_[i].size()) !=
            candidates_[i].node->input(candidates_[i].input)->constant().dim(candidates_[i].axis))
      return {};
    return importance_[i];
  }

  GroupSettings with_bits(int bits) const {
    // 8 bits lose nothing that groups could save.
    return {.bits = bits,
            .symmetric = options_.symmetric,
            .group = bits == 8 && options_.format == WeightFormat::int4 ? -1 : options_.group_size};
  }

  double relative_error(size_t i, const GroupSettings& settings) const {
    GroupedWeights made = quantize_groups(candidates_[i].node->input(candidates_[i].input)->constant(),
                                          candidates_[i].axis, settings, importance_of(i));
    return made.signal > 0 ? made.error / made.signal : 0;
  }

  // Which candidates get 4 bits: those that lose least, until their share of the weights is reached.
  void choose_bits(Progress& progress) {
    settings_.assign(candidates_.size(), with_bits(8));
    if (options_.format != WeightFormat::int4) return;
    std::vector<size_t> order;
    double total = 0;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (candidates_[i].embedding) continue;
      order.push_back(i);
      total += static_cast<double>(candidates_[i].elements());
    }
    std::vector<double> errors(candidates_.size(), 0);
    if (options_.ratio < 1) {
      progress.begin("rank weights", static_cast<int64_t>(order.size()));
      for (size_t i : order) errors[i] = relative_error(i, with_bits(4));
      progress.end();
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return errors[a] < errors[b]; });
    }
    double used = 0;
    for (size_t i : order) {
      double elements = static_cast<double>(candidates_[i].elements());
      if (used + elements > options_.ratio * total * (1 + 1e-12)) continue;
      used += elements;
      settings_[i] = with_bits(4);
    }
  }

  void apply(const Candidate& candidate, const GroupSettings& settings) {
    Value* value = candidate.node->input(candidate.input);
    size_t i = static_cast<size_t>(&candidate - candidates_.data());
    GroupedWeights made = quantize_groups(value->constant(), candidate.axis, settings, importance_of(i));
    auto op = std::make_unique<ops::DequantizeLinear>();
    bool whole = made.scales.rank() == 1;
    // One scale an output channel lies along the other axis.
    op->axis = whole ? 1 - candidate.axis : candidate.axis;
    op->block_size = whole ? 0 : settings.group;
    std::vector<Value*> inputs{graph_.add_constant(value->name + "_quantized", made.values),
                               graph_.add_constant(value->name + "_scale", made.scales)};
    if (!settings.symmetric) inputs.push_back(graph_.add_constant(value->name + "_zero_point", made.zeros));
    Node* node = graph_.insert_before(candidate.node, std::move(op), inputs, value->name + "_dequantized");
    graph_.set_input(candidate.node, candidate.input, node->output());
    report_.weights.push_back({candidate.node->name, candidate.node->op().type(),
                               fmt::format("int{} {}{}", settings.bits, settings.symmetric ? "sym" : "asym",
                                           whole ? "" : fmt::format(" g{}", settings.group)),
                               value->constant().size(), made.signal > 0 ? made.error / made.signal : 0});
  }

  Graph& graph_;
  const CompressOptions& options_;
  CompressReport& report_;
  std::vector<Candidate> candidates_;
  std::vector<std::vector<float>> importance_;  // per candidate
  std::vector<GroupSettings> settings_;         // per candidate
};

// Large f32 constants become 16-bit ones behind a Cast.
void store_as_floats(Graph& graph, const CompressOptions& options, CompressReport& report) {
  DType type = options.format == WeightFormat::fp16 ? DType::f16 : DType::bf16;
  std::map<const Value*, Value*> made;
  for (Node* node : graph.node_list())
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      Value* value = node->input(i);
      if (!constant_f32(value) || value->constant().size() < options.smallest) continue;
      if (!made.count(value)) {
        check_finite(*node, i);
        Tensor small = value->constant().cast(type);
        const Tensor back = small.cast(DType::f32);
        SignalNoise change;
        change.add(value->constant(), back);
        // Numbers beyond the largest half would become infinite.
        auto finite = back.data<float>();
        if (std::any_of(finite.begin(), finite.end(), [](float x) { return !std::isfinite(x); })) {
          report.kept.push_back(
              {node->name, node->op().type(), false, "its weights do not fit into " + std::string(name_of(type)), 0});
          continue;
        }
        auto cast = make_op("", "Cast");
        set_attributes(*cast, {{"to", static_cast<int64_t>(DType::f32)}});
        Value* stored = graph.add_constant(value->name + "_" + name_of(type), small);
        made[value] = graph.insert_before(node, std::move(cast), {stored}, value->name + "_cast")->output();
        report.weights.push_back(
            {node->name, node->op().type(), name_of(type), small.size(), change.relative_error()});
      }
      graph.set_input(node, i, made.at(value));
    }
  graph.remove_dead();
}

double stored_bytes(const Graph& graph) {
  double bytes = 0;
  for (const Value* constant : graph.constants()) {
    bool packed = is_4_bit(constant->dtype());
    bytes += static_cast<double>(constant->constant().bytes()) / (packed ? 2 : 1);
  }
  return bytes;
}

}  // namespace

Graph compress_weights(const Graph& model, const CompressOptions& options, const CalibrationSource& calibration,
                       const MakeRunner& make_runner, CompressReport* report, Progress& progress) {
  check_options(options, calibration);
  CompressReport filled;
  Graph graph = model.clone();
  optimize_for_any_batch(graph);
  filled.bytes_before = stored_bytes(graph);
  if (is_float_format(options.format)) store_as_floats(graph, options, filled);
  else Compressor(graph, options, filled).run(original_names(model), calibration, make_runner, progress);
  if (filled.weights.empty())
    throw Error("compress weights", "the model has no weights to compress",
                fmt::format("expected MatMul, Gemm or Gather with at least {} constant f32 weights; those of "
                            "convolutions become INT8 with sample images (--data), or fp16", options.smallest));
  filled.bytes_after = stored_bytes(graph);
  if (report) *report = std::move(filled);
  return graph;
}

}  // namespace hone
