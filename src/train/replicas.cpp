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
    GraphModuleOptions own = options;
    own.seed += static_cast<uint64_t>(i) << 32;  // other dropout
    graphs_.push_back(std::make_unique<TorchGraph>(graph, own));
    if (!training)
      for (auto& variable : graphs_.back()->parameters()) variable.tensor.requires_grad_(false);
    if (i > 0) graphs_[static_cast<size_t>(i)]->share(main(), !training);
  }
}

void Replicas::gather_gradients() {
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
}

void Replicas::average_buffers() {
  at::NoGradGuard no_grad;
  if (count() == 1) return;
  for (size_t i = 0; i < main().buffers().size(); ++i) {
    at::Tensor& mean = main().buffers()[i].tensor;
    for (int k = 1; k < count(); ++k) mean.add_((*this)[k].buffers()[i].tensor);
    mean.div_(count());
    for (int k = 1; k < count(); ++k) (*this)[k].buffers()[i].tensor.copy_(mean);
  }
}

}  // namespace hone
