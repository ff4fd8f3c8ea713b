#include "devices/cpu/cpu_device.hpp"

#include <malloc.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <unordered_map>

#include <fmt/format.h>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "compile/arena.hpp"
#include "compile/cache/cached_source.hpp"
#include "compile/lower/lower.hpp"
#include "devices/cpu/kernels.hpp"
#include "devices/cpu/parts.hpp"
#include "devices/cpu/room.hpp"
#include "devices/cpu/stored_plan.hpp"
#include "devices/cpu/tuner.hpp"
#include "devices/reference/reference_device.hpp"
#include "graph/cost.hpp"
#include "graph/ops/fused/fused.hpp"

namespace hone {

namespace cpu {

namespace {

/// oneDNN's OpenMP must not start threads of its own: we split the work ourselves (see docs/performance.md).
class OneOmpThread {
 public:
  OneOmpThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneOmpThread() { omp_set_num_threads(before_); }

 private:
  int before_;
};

struct Step {
  std::unique_ptr<Kernel> kernel;
  std::vector<int> inputs, outputs;  // slots
  std::span<const std::byte> ahead;  // the first packed weights of the steps behind
};

enum class Place { none, constant, input, output, arena };

struct Slot {
  Place place = Place::none;
  size_t index = 0;  // of the input or output; offset in the arena
  const void* data = nullptr;
  size_t offset = 0;  // in the memory of an output
};

struct State : PlanState {
  std::unique_ptr<ThreadPool> pool;
  std::shared_ptr<void> arena, scratch;
  std::vector<void*> table;
  std::vector<std::unique_ptr<KernelState>> kernel_states;
};

struct Copy {
  int slot;
  size_t output;
};

class CpuPlan : public Plan, public cache::KeptPlan, public PackedActivations {
 public:
  size_t largest_live_bytes() const override { return largest_live; }
  std::optional<Hash> cache_key() const override { return key; }
  const std::vector<StepInfo>& steps() const override { return infos; }
  size_t arena_bytes() const override { return arena; }
  size_t weight_bytes() const override { return weights; }

  std::unique_ptr<PlanState> make_state() const override {
    auto state = std::make_unique<State>();
    state->pool = std::make_unique<ThreadPool>(threads, [] { omp_set_num_threads(1); });
    state->arena = allocate(arena);
    state->scratch = allocate(scratch);
    state->table.resize(slots.size(), nullptr);
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].place == Place::constant) state->table[i] = const_cast<void*>(slots[i].data);
      if (slots[i].place == Place::arena) state->table[i] = static_cast<char*>(state->arena.get()) + slots[i].index;
    }
    for (const Step& step : work) state->kernel_states.push_back(step.kernel->make_state());
    return state;
  }

  void run(PlanState& given, std::span<const Tensor> inputs, std::span<Tensor> outputs,
           StepTimes* times) const override {
    State& state = static_cast<State&>(given);
    for (size_t i = 0; i < outputs.size(); ++i) place_output(outputs[i], output_types[i].first, output_types[i].second);
    for (int slot : bound_slots) {
      const Slot& where = slots[static_cast<size_t>(slot)];
      state.table[static_cast<size_t>(slot)] =
          where.place == Place::input ? const_cast<void*>(inputs[where.index].raw())
                                      : static_cast<char*>(outputs[where.index].mutable_raw()) + where.offset;
    }
    OneOmpThread single;
    using Clock = std::chrono::steady_clock;
    for (size_t i = 0; i < work.size(); ++i) {
      const Step& step = work[i];
      Clock::time_point begin = times ? Clock::now() : Clock::time_point();
      step.kernel->run({state.table.data(), step.inputs.data(), step.outputs.data(), *state.pool,
                        static_cast<char*>(state.scratch.get()), state.kernel_states[i].get(), step.ahead});
      if (times)
        times->nanoseconds[i] += std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
    }
    if (times) ++times->runs;
    for (const Copy& copy : copies) {
      Tensor& to = outputs[copy.output];
      if (to.bytes() > 0) std::memcpy(to.mutable_raw(), state.table[static_cast<size_t>(copy.slot)], to.bytes());
    }
  }

  Graph graph;  // owns the constants that kernels read
  std::optional<Hash> key;                   // in the plan cache
  std::shared_ptr<const MappedFile> stored;  // the file of a plan from the cache, which they lie in
  int threads = 1;
  std::vector<Step> work;
  std::vector<StepInfo> infos;
  std::vector<Slot> slots;
  std::vector<int> bound_slots;  // inputs and outputs
  std::vector<std::pair<DType, Dims>> output_types;
  std::vector<Copy> copies;
  size_t arena = 0, scratch = 0, weights = 0, largest_live = 0;
};

/// Makes the kernels and gives every value its memory.
class Builder {
 public:
  /// A plan from the cache: kernels are those that were chosen then and find their weights packed.
  Builder(cache::StoredPlan& stored, const CpuOptions& options) : Builder(std::move(stored.graph), options) {
    stored_ = &stored;
    plan_->stored = stored.file;
  }
  /// `recorder`, when given, gets what the plan cache keeps.
  Builder(Graph graph, const CpuOptions& options, PlanRecorder* recorder = nullptr)
      : plan_(std::make_shared<CpuPlan>()),
        options_(options),
        pool_(options.threads, [] { omp_set_num_threads(1); }),
        more_(packing_threads() > options.threads ? std::make_unique<ThreadPool>(packing_threads()) : nullptr),
        room_(room_for_weights(graph)),
        context_{options.threads, constant_bytes(graph) > kCachedWeights, nullptr, &room_, nullptr, &memory_},
        tuner_({options.autotune, options.cache_dir}, context_, pool_, packers()),
        recorder_(recorder) {
    plan_->graph = std::move(graph);
    plan_->threads = options.threads;
  }

  std::shared_ptr<CpuPlan> build() {
    // A primitive keeps the number of threads that OpenMP had when it was made.
    OneOmpThread single;
    Graph& graph = plan_->graph;
    if (!stored_) {
      transformed_ = worth_transforming(graph, context_);
      context_.transformed = &transformed_;
    }
    for (const auto& node : graph.nodes()) {
      if (!is_view(*node))
        for (Value* output : node->outputs()) slot_of_root(output);
    }
    for (const auto& node : graph.nodes())
      if (is_view(*node)) root_[node->output()] = root(node->input(0));
    for (const auto& node : graph.nodes())
      if (!is_view(*node)) add_step(*node);
    tuner_.save();
    look_ahead();
    bind_ends();
    join_parts();
    share_memory();
    place_in_arena();
    for (size_t i = 0; i < plan_->slots.size(); ++i)
      if (plan_->slots[i].place == Place::input || plan_->slots[i].place == Place::output)
        plan_->bound_slots.push_back(static_cast<int>(i));
    return plan_;
  }

 private:
  struct Group {
    size_t bytes = 0;
    int first = 0, last = -1;
    bool fixed = false;  // an input or a constant: not ours to write
  };

  /// A plan of one thread is made by more, as far as the process may have them: half of the time goes to new memory.
  static int packing_threads() { return std::min(cpu_features().cores, 4); }
  ThreadPool& packers() { return more_ ? *more_ : pool_; }

  static constexpr size_t kCachedWeights = 16 << 20;
  static constexpr size_t kWorthReleasing = 4096, kWorthTrimming = 16 << 20;
  static bool is_view(const Node& node) { return node.has(Trait::view); }

  const Value* root(const Value* value) {
    auto it = root_.find(value);
    if (it == root_.end()) return value;
    return it->second = root(it->second);
  }

  int slot_of_root(const Value* value) {
    auto [it, fresh] = slot_.emplace(value, static_cast<int>(groups_.size()));
    if (fresh) {
      Group group;
      group.bytes = static_cast<size_t>(element_count(dims_of(value))) * size_of(value->dtype());
      group.fixed = value->is_constant() || value->is_input();
      groups_.push_back(group);
      plan_->slots.emplace_back();
      if (value->is_constant()) plan_->slots.back() = {Place::constant, 0, value->constant().raw()};
      merged_.push_back(it->second);
    }
    return it->second;
  }
  int slot(const Value* value) { return slot_of_root(root(value)); }

  /// The kernel of an earlier process. Throws Error when it does not come out as it was then.
  Tuner::Candidate restore_kernel(const Node& node, std::vector<std::string>& notes) {
    const size_t now = plan_->work.size();
    if (now >= stored_->steps.size()) throw Error("cached plan", "has fewer steps than its graph");
    const cache::StoredStep& step = stored_->steps[now];
    notes = step.notes;
    notes.push_back("from the plan cache");
    StepWeights weights(*stored_, step);
    CpuContext context = context_;
    if (!step.packed.empty()) context.stored = &weights;
    for (const KernelEntry& entry : kernel_list()) {
      if (step.kernel != entry.name) continue;
      std::string refusal;
      if (auto kernel = entry.make(node, context, refusal)) {
        if (step.packed.empty()) kernel->prepare(packers());
        return {entry.name, std::move(kernel)};
      }
    }
    throw Error("cached plan", "names the kernel " + step.kernel + ", which does not take its node");
  }

  Tuner::Candidate choose_kernel(const Node& node, std::vector<std::string>& notes) {
    const auto& disabled = options_.disabled_kernels;
    std::vector<Tuner::Candidate> rivals;
    for (const KernelEntry& entry : kernel_list()) {
      if (std::find(disabled.begin(), disabled.end(), entry.name) != disabled.end()) continue;
      if (!entry.rival && !rivals.empty()) break;
      std::string refusal;
      auto kernel = entry.make(node, context_, refusal);
      if (kernel && entry.rival) {
        rivals.push_back({entry.name, std::move(kernel)});
      } else if (kernel) {
        kernel->prepare(packers());
        return {entry.name, std::move(kernel)};
      } else if (!refusal.empty()) {
        notes.push_back(fmt::format("{}: {}", entry.name, refusal));
      }
    }
    return tuner_.choose(node, std::move(rivals), notes);
  }

  /// What was packed is not read again: gives back the memory of a constant with its last user, if no kernel reads it.
  void release(Value* value) {
    if (!value || !value->is_constant() || slot_.contains(value)) return;
    const Tensor& constant = value->constant();
    if (!constant.address()) return;
    MappedFile::give_back(constant.address(), constant.bytes());
    auto [left, first] = uses_left_.emplace(value, value->uses().size());
    if (--left->second > 0 || constant.bytes() < kWorthReleasing || is_output(value)) return;
    released_ += constant.bytes();
    plan_->graph.set_constant(value, Tensor(value->dtype(), {0}));
    // The heap keeps what is freed in its middle.
    if (released_ < kWorthTrimming) return;
    malloc_trim(0);
    released_ = 0;
  }

  bool is_output(const Value* value) const {
    const auto& outputs = plan_->graph.outputs();
    return std::any_of(outputs.begin(), outputs.end(),
                       [&](const GraphOutput& output) { return output.value == value; });
  }

  void add_step(const Node& node) {
    StepInfo info;
    info.node = node.name;
    const auto* fused = node.as<ops::Fused>();
    info.op = fused ? fused->describe() : node.op().type();
    info.shape = to_string(node.output()->type);
    info.flops = node_flops(node);
    info.bytes = node_bytes(node);
    Step step;
    Tuner::Candidate chosen = stored_ ? restore_kernel(node, info.notes) : choose_kernel(node, info.notes);
    step.kernel = std::move(chosen.kernel);
    if (recorder_) recorder_->add_step(chosen.entry, info.notes, node, *step.kernel);
    info.kernel = step.kernel->name();
    int now = static_cast<int>(plan_->work.size());
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      const Value* input = node.input(i);
      bool read = input && step.kernel->reads(i);
      step.inputs.push_back(read ? slot(input) : -1);
      if (read) groups_[static_cast<size_t>(step.inputs.back())].last = now;
    }
    for (Value* input : node.inputs()) release(input);
    for (const Value* output : node.outputs()) {
      step.outputs.push_back(slot(output));
      Group& group = groups_[static_cast<size_t>(step.outputs.back())];
      group.first = now;
      group.last = std::max(group.last, now);
    }
    plan_->scratch = std::max(plan_->scratch, step.kernel->scratch_bytes());
    plan_->weights += step.kernel->weight_bytes();
    plan_->work.push_back(std::move(step));
    plan_->infos.push_back(std::move(info));
  }

  /// Weights come from memory in every inference: each step may ask for those of the next one in time.
  void look_ahead() {
    std::span<const std::byte> next;
    for (auto step = plan_->work.rbegin(); step != plan_->work.rend(); ++step) {
      step->ahead = next;
      if (const auto packed = step->kernel->packed(); !packed.empty()) next = packed.front();
    }
  }

  /// Inputs and outputs of the graph get the caller's memory.
  void bind_ends() {
    const Graph& graph = plan_->graph;
    for (size_t i = 0; i < graph.inputs().size(); ++i)
      plan_->slots[static_cast<size_t>(slot(graph.inputs()[i]))] = {Place::input, i, nullptr};
    for (size_t i = 0; i < graph.outputs().size(); ++i) {
      const Value* value = graph.outputs()[i].value;
      plan_->output_types.emplace_back(value->dtype(), dims_of(value));
      int where = slot(value);
      Slot& target = plan_->slots[static_cast<size_t>(where)];
      if (target.place == Place::none && !groups_[static_cast<size_t>(where)].fixed)
        target = {Place::output, i, nullptr};
      else plan_->copies.push_back({where, i});
    }
  }

  /// Parts of concatenations are made in their place.
  void join_parts() {
    std::vector<PartStep> steps;
    for (const Step& step : plan_->work) steps.push_back({step.kernel.get(), step.inputs, step.outputs});
    std::vector<Lifetime> lifetimes;
    std::vector<bool> movable;
    for (size_t i = 0; i < groups_.size(); ++i) {
      const Group& group = groups_[i];
      movable.push_back(!group.fixed && plan_->slots[i].place == Place::none);
      lifetimes.push_back({movable.back() ? group.bytes : 0, group.first, std::max(group.first, group.last)});
    }
    for (const Copy& copy : plan_->copies) movable[static_cast<size_t>(copy.slot)] = false;
    parts_ = place_parts(steps, lifetimes, movable);
    for (size_t i = 0; i < groups_.size(); ++i)
      groups_[i].first = lifetimes[i].first, groups_[i].last = lifetimes[i].last;
    for (size_t i = 0; i < plan_->work.size(); ++i) plan_->infos[i].kernel = plan_->work[i].kernel->name();
  }
  bool is_part(size_t slot) const { return parts_[slot].whole >= 0; }

  /// A kernel that may overwrite an input which nobody needs afterwards gets that input's memory for its output.
  void share_memory() {
    for (size_t now = 0; now < plan_->work.size(); ++now) {
      Step& step = plan_->work[now];
      size_t out = static_cast<size_t>(step.outputs[0]);
      for (size_t i = 0; i < step.inputs.size(); ++i) {
        if (step.inputs[i] < 0 || !step.kernel->may_overwrite(i)) continue;
        size_t in = find(static_cast<size_t>(step.inputs[i])), mine = find(out);
        // A convolution whose residual is also its source must not overwrite it.
        int readers = 0;
        for (int other : step.inputs) readers += other >= 0 && find(static_cast<size_t>(other)) == in;
        if (readers > 1) continue;
        bool both_bound = plan_->slots[in].place != Place::none && plan_->slots[mine].place != Place::none;
        bool copied_later = false;
        for (const Copy& copy : plan_->copies) copied_later |= find(static_cast<size_t>(copy.slot)) == in;
        if (in == mine || is_part(in) || is_part(mine) || groups_[in].fixed ||
            groups_[in].last != static_cast<int>(now) || both_bound || copied_later ||
            plan_->slots[in].place == Place::output || groups_[in].bytes != groups_[mine].bytes)
          continue;
        merged_[in] = static_cast<int>(mine);
        groups_[mine].first = std::min(groups_[mine].first, groups_[in].first);
        break;
      }
    }
  }

  size_t find(size_t slot) {
    while (static_cast<size_t>(merged_[slot]) != slot) slot = static_cast<size_t>(merged_[slot]);
    return slot;
  }

  void place_in_arena() {
    std::vector<Lifetime> lifetimes;
    std::vector<size_t> owners;
    for (const Copy& copy : plan_->copies)
      groups_[find(static_cast<size_t>(copy.slot))].last = static_cast<int>(plan_->work.size());
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (find(i) != i || is_part(i) || groups_[i].fixed || plan_->slots[i].place != Place::none) continue;
      lifetimes.push_back({groups_[i].bytes, groups_[i].first, std::max(groups_[i].first, groups_[i].last)});
      owners.push_back(i);
    }
    ArenaLayout layout = pack_arena(lifetimes);
    for (size_t i = 0; i < owners.size(); ++i) plan_->slots[owners[i]] = {Place::arena, layout.offsets[i], nullptr};
    for (size_t i = 0; i < groups_.size(); ++i)
      if (find(i) != i) plan_->slots[i] = plan_->slots[find(i)];
    for (size_t i = 0; i < groups_.size(); ++i)
      if (is_part(i)) {
        Slot& slot = plan_->slots[i];
        slot = plan_->slots[find(static_cast<size_t>(parts_[i].whole))];
        (slot.place == Place::arena ? slot.index : slot.offset) += parts_[i].offset;
      }
    plan_->arena = layout.bytes;
    plan_->largest_live = layout.largest_live;
  }

  std::shared_ptr<CpuPlan> plan_;
  const CpuOptions& options_;
  ThreadPool pool_;                   // for measuring
  std::unique_ptr<ThreadPool> more_;  // for packing, where that pays
  BlockMemory memory_;
  size_t room_;  // see CpuContext
  std::unordered_set<const Node*> transformed_;
  CpuContext context_;
  Tuner tuner_;
  PlanRecorder* recorder_ = nullptr;
  const cache::StoredPlan* stored_ = nullptr;
  std::unordered_map<const Value*, const Value*> root_;
  std::unordered_map<const Value*, int> slot_;
  std::vector<Group> groups_;
  std::vector<int> merged_;
  std::vector<Part> parts_;  // by slot
  std::unordered_map<const Value*, size_t> uses_left_;  // of constants
  size_t released_ = 0;                                 // bytes since the heap was trimmed
};

/// The plan of this key from the cache, if there is one that fits.
std::shared_ptr<const Plan> restore_plan(const cache::Folder& folder, const Hash& key, const CpuOptions& options) {
  auto stored = cache::read_plan(folder, key);
  if (!stored) return nullptr;
  try {
    auto plan = Builder(*stored, options).build();
    plan->key = key;
    return plan;
  } catch (const Error& error) {
    log(LogLevel::info, std::string("a plan is made anew: ") + error.what());
    return nullptr;
  }
}

bool all_static(const Graph& graph) {
  for (const auto& node : graph.nodes())
    for (const Value* output : node->outputs())
      if (!output->shape().is_static() || output->dtype() == DType::string) return false;
  return true;
}

}  // namespace
}  // namespace cpu

namespace {

void check_names(const std::vector<std::string>& disabled) {
  for (const std::string& name : disabled) {
    std::string known;
    bool found = false;
    for (const cpu::KernelEntry& entry : cpu::kernel_list()) {
      found |= name == entry.name && name != "reference_kernel";
      if (std::string("reference_kernel") != entry.name) known += (known.empty() ? "" : ", ") + std::string(entry.name);
    }
    if (!found) throw Error("kernel '" + name + "'", "cannot be disabled", "choose from: " + known);
  }
}

CpuOptions with_threads(CpuOptions options) {
  if (options.threads <= 0) options.threads = cpu_features().cores;
  return options;
}

}  // namespace

std::shared_ptr<const Plan> restore_cpu(const Hash& key, const CpuOptions& options) {
  return cpu::restore_plan(cache::Folder(options.cache_dir), key, with_threads(options));
}

std::shared_ptr<const Plan> compile_cpu(Graph graph, const CpuOptions& given) {
  const CpuOptions options = with_threads(given);
  check_names(options.disabled_kernels);
  // Sizes that depend on data are known only while running: such a graph runs node by node.
  if (!cpu::all_static(graph)) return compile_reference(std::move(graph));
  const cache::Folder folder(options.cache_dir);
  const auto key = cpu::plan_key(graph, options);
  if (key)
    if (auto plan = cpu::restore_plan(folder, *key, options)) return plan;
  lower(graph);
  if (!key) return cpu::Builder(std::move(graph), options).build();
  cpu::PlanRecorder recorder(graph);
  auto plan = cpu::Builder(std::move(graph), options, &recorder).build();
  if (recorder.write(folder, *key)) plan->key = key;
  return plan;
}

}  // namespace hone
