#pragma once
// Private to src/train: includes ATen.
#include <functional>
#include <memory>
#include <vector>

#include "base/threads.hpp"
#include "train/distributed.hpp"
#include "train/torch_graph.hpp"

namespace hone {

/// Threads that run one copy of a model each, with libtorch on one thread: data parallelism without the barriers of
/// OpenMP, which cost small networks more than they bring and stall when another process uses a core.
class ReplicaThreads {
 public:
  /// Sets libtorch and its BLAS to one thread for this thread and the workers; the destructor sets it back.
  explicit ReplicaThreads(int count);
  ~ReplicaThreads();
  ReplicaThreads(const ReplicaThreads&) = delete;
  ReplicaThreads& operator=(const ReplicaThreads&) = delete;

  int count() const { return pool_->threads(); }
  /// body(i) for every i in [0, tasks), at most count() at a time; rethrows the first exception by i.
  void run(int tasks, const std::function<void(int)>& body);

 private:
  int threads_before_, blas_threads_before_;
  std::unique_ptr<ThreadPool> pool_;
};

/// Copies of a model that share parameters, one a thread.
class Replicas {
 public:
  Replicas(const Graph& graph, const GraphModuleOptions& options, int count, bool training);

  TorchGraph& main() { return *graphs_[0]; }
  TorchGraph& operator[](int i) { return *graphs_[static_cast<size_t>(i)]; }
  int count() const { return static_cast<int>(graphs_.size()); }
  /// Adds the gradients of all copies up in the main one, in fixed order; then those of all processes.
  void gather_gradients(ProcessGroup* group = nullptr);
  /// Gives all copies the running statistics of the main one.
  void share_buffers();
  /// Makes all copies those of the first process.
  void share(ProcessGroup& group);

 private:
  std::vector<std::unique_ptr<TorchGraph>> graphs_;
};

}  // namespace hone
