#include "devices/dynamic/dynamic_plan.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "devices/dynamic/partition.hpp"
#include "graph/ops/control/control.hpp"

namespace hone {

namespace dynamic {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = Part::Kind;

constexpr size_t kept_plans = 8;   // of a specialized part
constexpr size_t kept_states = 4;  // of those, in one stream

/// A body that is compiled when it runs first.
struct Body {
  std::shared_ptr<Graph> graph;
  bool heavy = false;
  mutable std::once_flag once;
  mutable std::shared_ptr<const Plan> plan;
};

/// A part with everything that running it needs; values are indices into the stream's list.
struct Segment {
  Kind kind = Kind::single;
  std::vector<int> inputs, outputs;
  std::vector<std::string> names;        // of the inputs
  std::vector<Type> types;               // of the inputs; sizes of a fixed segment are known
  std::shared_ptr<const Plan> plan;      // fixed
  std::shared_ptr<ModelSource> source;   // specialized
  const Node* node = nullptr;            // single
  const ops::ControlOp* control = nullptr;
  std::vector<std::unique_ptr<Body>> bodies;
  std::vector<int> done;                 // values that nothing needs after it
  size_t first_step = 0, step_count = 1;
};

struct SegmentState {
  std::unique_ptr<PlanState> state;                                                     // fixed
  std::list<std::pair<std::shared_ptr<const Plan>, std::unique_ptr<PlanState>>> recent;  // specialized
  std::vector<std::unique_ptr<PlanState>> bodies;
  std::vector<Tensor> kept;  // memory of the outputs of a fixed segment
  StepTimes times;
};

struct State : PlanState {
  std::vector<Tensor> values;
  std::vector<SegmentState> segments;
};

bool matches_type(const Tensor& tensor, const Type& type) {
  return tensor.dtype() == type.dtype && matches(type.shape, tensor.dims());
}

class DynamicPlan : public Plan {
 public:
  DynamicPlan(Graph graph, const CompileGraph& compile, std::vector<std::string> disabled_passes)
      : graph_(std::move(graph)), compile_(compile), disabled_passes_(std::move(disabled_passes)) {
    for (const Value* input : graph_.inputs()) index_of(input);
    for (const Part& part : partition(graph_)) {
      if (part.kind != Kind::single) {
        add_compiled(part);
        continue;
      }
      for (const Node* node : part.nodes) add_single(*node);
    }
    for (const GraphOutput& output : graph_.outputs()) outputs_.push_back(index_of(output.value));
    find_last_uses();
  }

  const std::vector<StepInfo>& steps() const override { return steps_; }
  size_t arena_bytes() const override {
    size_t bytes = 0;
    for (const Segment& segment : segments_)
      if (segment.plan) bytes += segment.plan->arena_bytes();
    return bytes;
  }
  size_t weight_bytes() const override {
    size_t bytes = 0;
    for (const Segment& segment : segments_)
      if (segment.plan) bytes += segment.plan->weight_bytes();
    return bytes;
  }

  std::unique_ptr<PlanState> make_state() const override {
    auto state = std::make_unique<State>();
    state->values.resize(static_cast<size_t>(count_));
    for (auto& [value, tensor] : constants_) state->values[static_cast<size_t>(value)] = tensor;
    state->segments.resize(segments_.size());
    for (size_t i = 0; i < segments_.size(); ++i) {
      SegmentState& mine = state->segments[i];
      if (segments_[i].plan) mine.state = segments_[i].plan->make_state();
      mine.kept.resize(segments_[i].outputs.size());
      mine.bodies.resize(segments_[i].bodies.size());
      mine.times.nanoseconds.assign(segments_[i].step_count, 0);
    }
    return state;
  }

  void run(PlanState& plan_state, std::span<const Tensor> inputs, std::span<Tensor> outputs,
           StepTimes* times) const override {
    State& state = static_cast<State&>(plan_state);
    for (size_t i = 0; i < inputs.size(); ++i) state.values[i] = inputs[i];
    struct Clear {  // results are not held until the next run, whatever happens in this one
      const DynamicPlan& plan;
      State& state;
      ~Clear() { plan.forget(state); }
    } clear{*this, state};
    for (size_t i = 0; i < segments_.size(); ++i) {
      check_interrupt("run");
      const Segment& segment = segments_[i];
      Clock::time_point begin = times ? Clock::now() : Clock::time_point();
      if (segment.kind == Kind::fixed) run_fixed(segment, state, state.segments[i], times);
      else if (segment.kind == Kind::specialized) run_specialized(segment, state, state.segments[i]);
      else run_single(segment, state, state.segments[i]);
      if (times && segment.kind != Kind::fixed)
        times->nanoseconds[segment.first_step] +=
            std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
      for (int value : segment.done) state.values[static_cast<size_t>(value)] = Tensor();
    }
    if (times) ++times->runs;
    for (size_t i = 0; i < outputs.size(); ++i)
      hand_out(state.values[static_cast<size_t>(outputs_[i])], inputs, outputs[i]);
  }

 private:
  // ---- making ----

  int index_of(const Value* value) {
    auto [it, fresh] = index_.emplace(value, count_);
    if (!fresh) return it->second;
    ++count_;
    if (value->is_constant()) {
      constants_.emplace_back(it->second, value->constant());
      constant_owners_.insert(value->constant().owner().get());
    }
    return it->second;
  }

  void add_compiled(const Part& part) {
    Segment segment;
    segment.kind = part.kind;
    std::vector<const Value*> inputs, outputs;
    Graph graph = extract(graph_, part.nodes, inputs, outputs);
    for (const Value* value : inputs) {
      segment.inputs.push_back(index_of(value));
      segment.names.push_back(value->name);
      segment.types.push_back(value->type);
    }
    for (const Value* value : outputs) segment.outputs.push_back(index_of(value));
    segment.first_step = steps_.size();
    if (part.kind == Kind::fixed) {
      segment.plan = compile_(std::move(graph));
      segment.step_count = segment.plan->steps().size();
      steps_.insert(steps_.end(), segment.plan->steps().begin(), segment.plan->steps().end());
    } else {
      StepInfo info;
      info.node = part.nodes.back()->name;
      info.op = fmt::format("{} nodes", part.nodes.size());
      info.kernel = "plan for each set of sizes";
      info.shape = to_string(part.nodes.back()->output()->type);
      steps_.push_back(std::move(info));
      CompileGraph compile = [inner = compile_, disabled = disabled_passes_](Graph specialized) {
        return compile_dynamic(std::move(specialized), inner, disabled);
      };
      segment.source = std::make_shared<ModelSource>(std::move(graph), compile, kept_plans, disabled_passes_);
    }
    segments_.push_back(std::move(segment));
  }

  void add_single(const Node& node) {
    Segment segment;
    segment.node = &node;
    segment.control = ops::control_op(node);
    for (const Value* input : node.inputs()) segment.inputs.push_back(input ? index_of(input) : -1);
    for (const Value* output : node.outputs()) segment.outputs.push_back(index_of(output));
    StepInfo info;
    info.node = node.name;
    info.op = node.op().type();
    info.kernel = "reference";
    info.shape = node.outputs().empty() ? "" : to_string(node.output()->type);
    if (segment.control) {
      for (const auto& graph : segment.control->bodies()) {
        auto body = std::make_unique<Body>();
        body->graph = graph;
        body->heavy = is_heavy(*graph);
        if (body->heavy) info.kernel = "plans of its bodies";
        segment.bodies.push_back(std::move(body));
      }
    }
    segment.first_step = steps_.size();
    steps_.push_back(std::move(info));
    segments_.push_back(std::move(segment));
  }

  void find_last_uses() {
    std::unordered_map<int, size_t> last;
    for (size_t i = 0; i < segments_.size(); ++i) {
      for (int value : segments_[i].outputs) last[value] = i;
      for (int value : segments_[i].inputs) last[value] = i;
    }
    for (int output : outputs_) last.erase(output);
    for (auto& [constant, tensor] : constants_) last.erase(constant);
    last.erase(-1);
    for (auto& [value, segment] : last) segments_[segment].done.push_back(value);
  }

  // ---- running ----

  void forget(State& state) const {
    for (Tensor& value : state.values) value = Tensor();
    for (auto& [value, tensor] : constants_) state.values[static_cast<size_t>(value)] = tensor;
  }

  static void gather(const Segment& segment, const State& state, std::vector<Tensor>& inputs) {
    for (size_t i = 0; i < segment.inputs.size(); ++i) {
      const Tensor& tensor = state.values[static_cast<size_t>(segment.inputs[i])];
      if (!matches_type(tensor, segment.types[i]))
        throw Error("value '" + segment.names[i] + "'",
                    fmt::format("is {}{}, expected {}", name_of(tensor.dtype()), to_string(tensor.dims()),
                                to_string(segment.types[i])));
      inputs.push_back(tensor);
    }
  }

  static void run_fixed(const Segment& segment, State& state, SegmentState& mine, StepTimes* times) {
    std::vector<Tensor> inputs;
    gather(segment, state, inputs);
    // Memory that somebody still holds is not written again.
    for (Tensor& kept : mine.kept)
      if (kept.owner().use_count() != 1) kept = Tensor();
    segment.plan->run(*mine.state, inputs, mine.kept, times ? &mine.times : nullptr);
    for (size_t i = 0; i < segment.outputs.size(); ++i)
      state.values[static_cast<size_t>(segment.outputs[i])] = mine.kept[i];
    if (!times) return;
    for (size_t i = 0; i < segment.step_count; ++i) {
      times->nanoseconds[segment.first_step + i] += mine.times.nanoseconds[i];
      mine.times.nanoseconds[i] = 0;
    }
  }

  static void run_specialized(const Segment& segment, State& state, SegmentState& mine) {
    std::vector<Tensor> inputs, results(segment.outputs.size());
    gather(segment, state, inputs);
    std::vector<Dims> dims;
    for (const Tensor& input : inputs) dims.push_back(input.dims());
    std::shared_ptr<const Plan> plan = segment.source->plan_for(dims);
    auto found = std::find_if(mine.recent.begin(), mine.recent.end(), [&](auto& entry) { return entry.first == plan; });
    if (found == mine.recent.end()) {
      while (mine.recent.size() >= kept_states) mine.recent.pop_back();
      mine.recent.emplace_front(plan, plan->make_state());
    } else {
      mine.recent.splice(mine.recent.begin(), mine.recent, found);
    }
    plan->run(*mine.recent.front().second, inputs, results);
    for (size_t i = 0; i < results.size(); ++i) state.values[static_cast<size_t>(segment.outputs[i])] = results[i];
  }

  void run_single(const Segment& segment, State& state, SegmentState& mine) const {
    std::vector<const Tensor*> arguments;
    for (int input : segment.inputs)
      arguments.push_back(input < 0 ? nullptr : &state.values[static_cast<size_t>(input)]);
    std::vector<Tensor> results(segment.outputs.size());
    EvalContext context(segment.node->place(), arguments, results);
    if (!segment.control)
      segment.node->op().evaluate(context);
    else
      segment.control->run(context, [&](size_t index, std::span<const Tensor> inputs) {
        return run_body(segment, mine, index, inputs);
      });
    for (size_t i = 0; i < results.size(); ++i)
      state.values[static_cast<size_t>(segment.outputs[i])] = std::move(results[i]);
  }

  std::vector<Tensor> run_body(const Segment& segment, SegmentState& mine, size_t index,
                               std::span<const Tensor> inputs) const {
    const Body& body = *segment.bodies[index];
    try {
      bool compiled = body.heavy;
      for (size_t i = 0; compiled && i < inputs.size(); ++i)
        compiled = matches_type(inputs[i], body.graph->inputs()[i]->type);
      if (!compiled) return evaluate_body(*body.graph, inputs);
      std::call_once(body.once, [&] { body.plan = compile_dynamic(body.graph->clone(), compile_, disabled_passes_); });
      if (!mine.bodies[index]) mine.bodies[index] = body.plan->make_state();
      std::vector<Tensor> results(body.graph->outputs().size());
      body.plan->run(*mine.bodies[index], inputs, results);
      return results;
    } catch (const Interrupted&) {
      throw;
    } catch (const Error& error) {
      throw Error(error.place() + " in " + segment.node->place(), error.problem(), error.remedy());
    }
  }

  /// Gives a result to the caller: in the memory it brought, or as it is unless that memory is not ours to give.
  void hand_out(const Tensor& result, std::span<const Tensor> inputs, Tensor& output) const {
    if (output.defined() && output.dtype() == result.dtype() && output.dims() == result.dims() &&
        result.dtype() != DType::string) {
      if (result.bytes() > 0) std::memcpy(output.mutable_raw(), result.raw(), result.bytes());
      return;
    }
    const void* owner = result.owner().get();
    bool foreign = !owner || constant_owners_.count(owner) > 0;
    for (const Tensor& input : inputs) foreign = foreign || input.owner().get() == owner;
    output = foreign && result.dtype() != DType::string ? result.clone() : result;
  }

  Graph graph_;
  CompileGraph compile_;
  std::vector<std::string> disabled_passes_;
  std::vector<Segment> segments_;
  std::vector<StepInfo> steps_;
  std::unordered_map<const Value*, int> index_;
  int count_ = 0;
  std::vector<std::pair<int, Tensor>> constants_;
  std::unordered_set<const void*> constant_owners_;
  std::vector<int> outputs_;
};

}  // namespace
}  // namespace dynamic

std::shared_ptr<const Plan> compile_dynamic(Graph graph, const CompileGraph& compile,
                                            const std::vector<std::string>& disabled_passes) {
  if (dynamic::is_fixed(graph)) return compile(std::move(graph));
  return std::make_shared<dynamic::DynamicPlan>(std::move(graph), compile, disabled_passes);
}

}  // namespace hone
