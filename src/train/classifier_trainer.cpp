#include "train/classifier_trainer.hpp"

#include <thread>

#include <ATen/Parallel.h>

#include "train/classifier_run.hpp"
#include "train/train_options.hpp"

namespace hone {

namespace {

/// libtorch's thread count belongs to the process; it is put back.
class TorchThreads {
 public:
  explicit TorchThreads(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~TorchThreads() { at::set_num_threads(before_); }
  TorchThreads(const TorchThreads&) = delete;
  TorchThreads& operator=(const TorchThreads&) = delete;

 private:
  int before_;
};

}  // namespace

TrainResult train_classifier(Graph& model, const Splits& data, const TrainOptions& options, Progress& progress) {
  validate(options);
  TrainOptions complete = options;
  if (complete.threads == 0) complete.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  TorchThreads threads(complete.threads);
  ClassifierRun run(model, data, complete, progress);
  if (complete.resume) run.load();
  TrainResult result = run.train();
  run.store(model);
  return result;
}

}  // namespace hone
