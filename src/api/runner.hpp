#pragma once
#include <memory>
#include <span>
#include <vector>

#include "api/access.hpp"
#include "run/session.hpp"

namespace hone::v0 {

/// One internal session behind public tensors; what Session, Streams and Classifier run on.
class Runner {
 public:
  /// `model` is kept: plans refer to its weights.
  Runner(std::shared_ptr<LoadedModel> model, int threads)
      : model_(std::move(model)), session_(model_->source(threads)) {}

  /// See Session::run(): defined outputs are written in place or refused.
  void run(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  const LoadedModel& model() const { return *model_; }
  hone::Session& session() { return session_; }
  const hone::Session& session() const { return session_; }

 private:
  std::shared_ptr<LoadedModel> model_;
  hone::Session session_;
  std::atomic<bool> busy_{false};
  std::vector<hone::Tensor> inputs_, outputs_;  // kept from run to run, so that a steady state does not allocate
};

}  // namespace hone::v0
