#include "train/replicas.hpp"

#include <dlfcn.h>

#include <exception>

#include <ATen/Parallel.h>

namespace hone {

namespace {

/// OpenBLAS keeps its own threads, for which replicas would wait in turn; 0 where libtorch is linked with another BLAS.
int set_blas_threads(int count) {
  auto get = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_num_threads"));
  auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (!get || !set) return 0;
  int before = get();
  set(count);
  return before;
}

/// One message for all: many small ones would each wait for the network.
void sum_flattened(const std::vector<at::Tensor>& tensors, ProcessGroup& group) {
  if (tensors.empty()) return;
  std::vector<at::Tensor> rows;
  for (const at::Tensor& tensor : tensors) rows.push_back(tensor.reshape({-1}));
  at::Tensor all = at::cat(rows);
  group.sum(all);
  int64_t start = 0;
  for (const at::Tensor& tensor : tensors) {
    tensor.copy_(all.narrow(0, start, tensor.numel()).reshape(tensor.sizes()));
    start += tensor.numel();
  }
}

/// A variable that rests has a gradient in no process; one of a process without a part of the batch only in others.
void sum_gradients(TorchGraph& graph, ProcessGroup& group) {
  std::vector<double> present;
  for (auto& variable : graph.parameters()) present.push_back(variable.tensor.grad().defined());
  present = group.sum(std::move(present));
  std::vector<at::Tensor> gradients;
  for (size_t i = 0; i < present.size(); ++i) {
    at::Tensor& variable = graph.parameters()[i].tensor;
    if (present[i] == 0) continue;
    if (!variable.grad().defined()) variable.mutable_grad() = at::zeros_like(variable.detach());
    gradients.push_back(variable.grad());
  }
  sum_flattened(gradients, group);
}

}  // namespace

ReplicaThreads::ReplicaThreads(int count)
    : threads_before_(at::get_num_threads()), blas_threads_before_(set_blas_threads(1)) {
  at::set_num_threads(1);
  // The number is kept by each thread; init_num_threads() takes over the one set above.
  pool_ = std::make_unique<ThreadPool>(count, [] { at::init_num_threads(); });
}

ReplicaThreads::~ReplicaThreads() {
  pool_.reset();
  at::set_num_threads(threads_before_);
  if (blas_threads_before_ > 0) set_blas_threads(blas_threads_before_);
}

void ReplicaThreads::run(int tasks, const std::function<void(int)>& body) {
  std::vector<std::exception_ptr> errors(static_cast<size_t>(tasks));
  bool grad = at::GradMode::is_enabled();
  pool_->parallel_for(tasks, [&](int64_t task, int) {
    try {
      at::AutoGradMode mode(grad);
      body(static_cast<int>(task));
    } catch (...) {
      errors[static_cast<size_t>(task)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

Replicas::Replicas(const Graph& graph, const GraphModuleOptions& options, int count, bool training) {
  for (int i = 0; i < count; ++i) {
    graphs_.push_back(std::make_unique<TorchGraph>(graph, options));
    if (!training)
      for (auto& variable : graphs_.back()->parameters()) variable.tensor.requires_grad_(false);
    if (i > 0) graphs_[static_cast<size_t>(i)]->share(main(), !training);
  }
}

void Replicas::gather_gradients(ProcessGroup* group) {
  at::NoGradGuard no_grad;
  for (int k = 1; k < count(); ++k) {
    for (size_t i = 0; i < main().parameters().size(); ++i) {
      at::Tensor& from = (*this)[k].parameters()[i].tensor.mutable_grad();
      at::Tensor& to = main().parameters()[i].tensor.mutable_grad();
      if (!from.defined()) continue;
      if (to.defined())
        to.add_(from);
      else
        to = from;
      from = at::Tensor();
    }
  }
  if (group) sum_gradients(main(), *group);
}

void Replicas::share_buffers() {
  at::NoGradGuard no_grad;
  for (int k = 1; k < count(); ++k)
    for (size_t i = 0; i < main().buffers().size(); ++i)
      (*this)[k].buffers()[i].tensor.copy_(main().buffers()[i].tensor);
}

void Replicas::share(ProcessGroup& group) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> tensors;
  for (auto* list : {&main().parameters(), &main().buffers()})
    for (auto& variable : *list) tensors.push_back(variable.tensor);
  group.share(tensors);
  share_buffers();
}

}  // namespace hone
