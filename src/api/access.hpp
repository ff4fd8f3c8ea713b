#pragma once
#include <atomic>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <hone/hone.hpp>

#include "base/error.hpp"
#include "graph/graph.hpp"
#include "plan/plan.hpp"
#include "tensor/tensor.hpp"

/// What the files of this folder share. In them a plain name such as Tensor is the public one (hone::v0::Tensor), and
/// hone::Tensor the internal one: HONE_BUILD_API makes the version namespace an ordinary one.
namespace hone::v0 {

struct Tensor::Impl {
  hone::Tensor tensor;
  bool read_only = false;
};

struct TensorAccess {
  static Tensor wrap(hone::Tensor tensor, bool read_only = false) {
    Tensor result;
    result.impl_ = std::make_shared<Tensor::Impl>(Tensor::Impl{std::move(tensor), read_only});
    return result;
  }
  /// An undefined one for an undefined tensor.
  static const hone::Tensor& get(const Tensor& tensor) {
    static const hone::Tensor none;
    return tensor.impl_ ? tensor.impl_->tensor : none;
  }
};

struct Model::Impl {
  ModelOptions options;
  std::map<std::string, std::string> metadata;
  std::vector<Port> inputs, outputs;
  std::vector<std::string> labels;

  Impl() = default;  // nothing: what a model that was moved from says of itself
  Impl(hone::Graph model, const ModelOptions& given);
  /// With a plan cache the file is read only when there is no plan for it.
  Impl(const std::filesystem::path& file, const ModelOptions& given);
  /// The model compiled for inferences with this many threads (0: one per processor). Weights are shared by all users.
  std::shared_ptr<hone::PlanSource> source(int threads);

 private:
  void finish();
  std::optional<hone::Graph> graph_;  // none: of `file_`, by way of the cache
  std::filesystem::path file_;
  std::mutex mutex_;
  std::map<int, std::shared_ptr<hone::PlanSource>> sources_;
};

/// What is behind an object of the interface; throws Error when it was moved from.
template <class Pointer>
const Pointer& alive(const Pointer& impl, const char* what) {
  if (!impl) throw Error(what, "was moved from and is empty", "use the object that it was moved to");
  return impl;
}

/// Throws Error unless a model can run with so many.
inline void check_threads(int threads) {
  if (threads < 0) throw hone::Error("ModelOptions::threads", "is " + std::to_string(threads) + ", expected 0 or more");
}

/// Held while an object that serves one thread at a time is in use; throws Error when another thread has it.
class InUse {
 public:
  InUse(std::atomic<bool>& busy, const char* what) : busy_(busy) {
    if (busy_.exchange(true, std::memory_order_acquire))
      throw Error(what, "is in use by another thread", "make one for each thread; they share the weights");
  }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() { busy_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool>& busy_;
};

struct ModelAccess {
  using Impl = Model::Impl;
  static const std::shared_ptr<Model::Impl>& get(const Model& model) { return alive(model.impl_, "Model"); }
  /// Never nothing: for functions that do not throw.
  static const Model::Impl& or_empty(const std::shared_ptr<Model::Impl>& impl) noexcept {
    static const Model::Impl empty;
    return impl ? *impl : empty;
  }
  static Model wrap(std::shared_ptr<Model::Impl> impl) {
    Model model;
    model.impl_ = std::move(impl);
    return model;
  }
};

/// What a Model means; shared by its copies, sessions and streams.
using LoadedModel = ModelAccess::Impl;

/// Runs f; whatever the library throws leaves it as the public Error.
template <class F>
decltype(auto) translated(F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const Error&) {
    throw;
  } catch (const hone::Error& error) {
    throw Error(error.place(), error.problem(), error.remedy());
  } catch (const std::bad_alloc&) {
    throw Error("memory", "there is not enough of it",
                "use smaller inputs, fewer streams or a machine with more memory");
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again)
      throw Error("threads", "the system does not give as many", "use fewer streams or threads");
    throw Error("system", error.what());
  } catch (const std::exception& error) {
    throw Error("hone", std::string("internal error: ") + error.what(), "please report it");
  }
}

}  // namespace hone::v0
