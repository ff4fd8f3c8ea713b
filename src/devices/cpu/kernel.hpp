#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/threads.hpp"
#include "devices/cpu/pages.hpp"
#include "graph/graph.hpp"
#include "tensor/block_memory.hpp"

namespace hone::cpu {

/// What one stream keeps for one kernel (library handles that are not thread-safe).
class KernelState {
 public:
  virtual ~KernelState() = default;
};

/// The arguments of one execution.
struct KernelRun {
  void* const* table;         ///< memory of all values of the plan
  const int* inputs;          ///< index into table, -1 for an absent input
  const int* outputs;
  ThreadPool& pool;
  char* scratch;              ///< scratch_bytes() of the kernel
  KernelState* state;
  std::span<const std::byte> ahead{};  ///< packed weights that are read next, by whichever kernel comes behind

  template <class T = void>
  const T* in(size_t i) const { return inputs[i] < 0 ? nullptr : static_cast<const T*>(table[inputs[i]]); }
  template <class T = void>
  T* out(size_t i = 0) const { return static_cast<T*>(table[outputs[i]]); }
};

/// Where an input lies in output 0: `rows` pieces of `length` bytes, `row` bytes apart, the first at `offset`.
struct Placement {
  size_t offset = 0, length = 0, row = 0, rows = 1;

  bool dense() const { return rows <= 1 || length == row; }
};

/// A node made executable. Immutable after prepare(); holds its prepacked weights.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual std::string name() const = 0;
  /// Microseconds that a run is expected to take. For rivals, see tuner.hpp.
  virtual double estimate() const { return 0; }
  /// How far the estimate may be off, as a factor: what is expected to be slower by more is not measured. For rivals.
  virtual double confidence() const { return 1.6; }
  /// What layers with the same cost have in common. For rivals.
  virtual std::string signature() const { return {}; }
  /// Packs the weights. Called before the first run(), not for a kernel that lost.
  virtual void prepare(ThreadPool&) {}
  /// Lends weight_bytes() of zeros that are only read, for runs whose results nobody wants, or takes them back
  /// (nullptr). For rivals.
  virtual void rehearse(const std::shared_ptr<void>&) {}
  virtual void run(const KernelRun& run) const = 0;
  virtual std::unique_ptr<KernelState> make_state() const { return nullptr; }
  virtual size_t scratch_bytes() const { return 0; }
  virtual size_t weight_bytes() const { return 0; }
  /// The packed weights, for the plan cache: a kernel that is made with CpuContext::stored takes them back and needs
  /// neither prepare() nor the data of its constant weights (input 1). None: the kernel is made from its node alone.
  virtual std::vector<std::span<const std::byte>> packed() const { return {}; }
  /// True when output 0 may lie in the memory of input i.
  virtual bool may_overwrite(size_t) const { return false; }
  /// True when input i is read at run time (false: it was prepacked).
  virtual bool reads(size_t) const { return true; }

  // For parts of concatenations that are made in their place, see parts.hpp. Called before the first run().

  /// Where input i is copied to, for a kernel that does nothing else with it.
  virtual std::optional<Placement> placement(size_t) const { return std::nullopt; }
  /// Input i lies in its place already.
  virtual void leave(size_t) {}
  /// Whether rows (pixels) of `length` bytes of output 0, or of input i, may lie further apart than that.
  virtual bool spaces_output(size_t) const { return false; }
  virtual bool spaces_input(size_t, size_t) const { return false; }
  /// They do, `row` bytes.
  virtual void space_output(size_t) {}
  virtual void space_input(size_t, size_t) {}
};

/// Weights that a kernel of an earlier process has packed.
class StoredWeights {
 public:
  virtual ~StoredWeights() = default;
  /// The next part, read-only. Throws Error when it has another size: the kernel is not the one that packed it.
  virtual std::shared_ptr<void> next(size_t bytes) = 0;
};

struct CpuContext {
  int threads = 1;
  bool cold_weights =
      false;  ///< the model's weights together exceed the caches, so that every inference reads them anew
  StoredWeights* stored = nullptr;  ///< while a kernel is made from the plan cache
  /// Bytes by which transformed weights of this plan may still exceed the plain ones; nullptr: any number.
  size_t* room = nullptr;
  const std::unordered_set<const Node*>* transformed = nullptr;  ///< see room.hpp; nullptr: any node
  BlockMemory* memory = nullptr;    ///< for packed weights, while a plan is built; nullptr: each kernel gets its own
  std::shared_ptr<void> allocate_weights(size_t bytes) const { return memory ? memory->take(bytes) : allocate(bytes); }
  /// With pages, for those who pack them by all threads.
  std::shared_ptr<void> allocate_weights(size_t bytes, ThreadPool& pool) const {
    std::shared_ptr<void> weights = allocate_weights(bytes);
    make_pages(weights.get(), bytes, pool);
    return weights;
  }
};

/// Makes a kernel for a node, or returns nullptr and says why not.
using MakeKernel = std::unique_ptr<Kernel> (*)(const Node& node, const CpuContext& context, std::string& refusal);

struct KernelEntry {
  const char* name;
  MakeKernel make;
  bool rival;  ///< competes with the rivals behind it in the list
};
/// All kernels in order of preference; the last takes every node.
const std::vector<KernelEntry>& kernel_list();

/// The concrete sizes of a value.
inline Dims dims_of(const Value* value) { return value->shape().concrete(); }

}  // namespace hone::cpu
