#include "compile/batch/sliced_plan.hpp"

#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "base/threads.hpp"
#include "compile/arena.hpp"
#include "compile/cache/cached_source.hpp"

namespace hone::batch {

namespace {

/// The memory of one slice as tensors.
struct Window {
  std::vector<Tensor> inputs, outputs;
};

/// What one of those that work at the same time has for itself.
struct Worker {
  std::unique_ptr<PlanState> state;
  StepTimes times;
  std::exception_ptr failure;
};

struct State : PlanState {
  explicit State(int workers) : pool(workers), workers(static_cast<size_t>(workers)) {}
  ThreadPool pool;
  std::vector<Worker> workers;
  std::vector<Window> windows;  // kept, so that a call with the same memory as the last one makes none anew
};

const char* part_of(const Tensor& whole, int64_t slice, int64_t count) {
  const size_t bytes = whole.bytes() / static_cast<size_t>(count);
  return static_cast<const char*>(whole.raw()) + bytes * static_cast<size_t>(slice);
}

void point_at(Tensor& view, const Tensor& whole, const char* data, int64_t count) {
  if (view.raw() == data && view.dtype() == whole.dtype()) return;
  Dims dims = whole.dims();
  dims[0] /= count;
  view = Tensor(whole.dtype(), std::move(dims), data, whole.bytes() / static_cast<size_t>(count), nullptr);
}

class SlicedPlan : public Plan, public cache::KeptPlan, public PackedActivations {
 public:
  SlicedPlan(std::shared_ptr<const Plan> slice, Slices slices) : slice_(std::move(slice)), slices_(std::move(slices)) {
    steps_ = slice_->steps();
    const double count = static_cast<double>(slices_.count);
    for (StepInfo& step : steps_) step.flops *= count, step.bytes *= count;
    if (steps_.empty()) return;
    steps_[0].notes.push_back(fmt::format("the batch runs in {} slices of {}, {} of them at a time", slices_.count,
                                          slices_.size, slices_.at_a_time));
  }

  const std::vector<StepInfo>& steps() const override { return steps_; }
  std::optional<Hash> cache_key() const override {
    const auto* kept = dynamic_cast<const cache::KeptPlan*>(slice_.get());
    return kept ? kept->cache_key() : std::nullopt;
  }
  const Slices* slices() const override { return &slices_; }
  size_t arena_bytes() const override { return slice_->arena_bytes() * static_cast<size_t>(slices_.at_a_time); }
  size_t weight_bytes() const override { return slice_->weight_bytes(); }
  size_t largest_live_bytes() const override {
    const auto* packed = dynamic_cast<const PackedActivations*>(slice_.get());
    return packed ? packed->largest_live_bytes() * static_cast<size_t>(slices_.at_a_time) : arena_bytes();
  }

  std::unique_ptr<PlanState> make_state() const override {
    auto state = std::make_unique<State>(slices_.at_a_time);
    for (Worker& worker : state->workers) {
      worker.state = slice_->make_state();
      worker.times.nanoseconds.assign(steps_.size(), 0);
    }
    state->windows.resize(static_cast<size_t>(slices_.count));
    for (Window& window : state->windows) {
      window.inputs.resize(slices_.cut.size());
      window.outputs.resize(slices_.outputs.size());
    }
    return state;
  }

  void run(PlanState& given, std::span<const Tensor> inputs, std::span<Tensor> outputs,
           StepTimes* times) const override {
    State& state = static_cast<State&>(given);
    for (size_t i = 0; i < outputs.size(); ++i)
      place_output(outputs[i], slices_.outputs[i].first, slices_.outputs[i].second);
    state.pool.parallel_for(slices_.count, [&](int64_t slice, int thread) {
      Worker& worker = state.workers[static_cast<size_t>(thread)];
      if (worker.failure) return;
      try {
        run_slice(slice, state.windows[static_cast<size_t>(slice)], worker, inputs, outputs, times != nullptr);
      } catch (...) {
        worker.failure = std::current_exception();
      }
    });
    if (times) add_times(state, *times);
    for (Worker& worker : state.workers)
      if (worker.failure) std::rethrow_exception(std::exchange(worker.failure, nullptr));
  }

 private:
  void run_slice(int64_t slice, Window& window, Worker& worker, std::span<const Tensor> inputs,
                 std::span<Tensor> outputs, bool timed) const {
    for (size_t i = 0; i < inputs.size(); ++i)
      if (!slices_.cut[i])
        window.inputs[i] = inputs[i];
      else
        point_at(window.inputs[i], inputs[i], part_of(inputs[i], slice, slices_.count), slices_.count);
    for (size_t i = 0; i < outputs.size(); ++i)
      point_at(window.outputs[i], outputs[i], part_of(outputs[i], slice, slices_.count), slices_.count);
    slice_->run(*worker.state, window.inputs, window.outputs, timed ? &worker.times : nullptr);
    // A plan may hand out memory of its own.
    for (size_t i = 0; i < outputs.size(); ++i) {
      char* wanted = const_cast<char*>(part_of(outputs[i], slice, slices_.count));
      if (window.outputs[i].raw() != wanted) std::memcpy(wanted, window.outputs[i].raw(), window.outputs[i].bytes());
    }
  }

  /// Those who work at the same time share the time that passes.
  void add_times(State& state, StepTimes& times) const {
    for (Worker& worker : state.workers) {
      for (size_t i = 0; i < steps_.size(); ++i)
        times.nanoseconds[i] += worker.times.nanoseconds[i] / slices_.at_a_time;
      worker.times.nanoseconds.assign(steps_.size(), 0);
    }
    ++times.runs;
  }

  std::shared_ptr<const Plan> slice_;
  Slices slices_;
  std::vector<StepInfo> steps_;
};

}  // namespace

std::shared_ptr<const Plan> make_sliced_plan(std::shared_ptr<const Plan> slice, Slices slices) {
  return std::make_shared<SlicedPlan>(std::move(slice), std::move(slices));
}

}  // namespace hone::batch
