#include <hone/streams.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "api/runner.hpp"
#include "base/cpu.hpp"
#include "base/log.hpp"

namespace hone::v0 {

struct Streams::Impl {
  struct Request {
    std::vector<Tensor> inputs;
    Outputs outputs;
    Callback on_done;
  };

  Impl(std::shared_ptr<LoadedModel> loaded, const StreamOptions& options) : model(std::move(loaded)) {
    if (options.streams < 0 || options.threads < 1 || options.queue < 0)
      throw hone::Error("StreamOptions", "has a negative number, or less than one thread");
    int streams = options.streams > 0 ? options.streams : std::max(1, hone::cpu_features().cores / options.threads);
    room = static_cast<size_t>(options.queue > 0 ? options.queue : 2 * streams);
    for (int i = 0; i < streams; ++i) runners.push_back(std::make_unique<Runner>(model, options.threads));
    try {
      for (auto& runner : runners) threads.emplace_back([this, &runner = *runner] { serve(runner); });
    } catch (...) {
      finish();
      throw;
    }
  }
  ~Impl() { finish(); }

  void finish() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    arrived.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void serve(Runner& runner) {
    while (true) {
      Request request;
      {
        std::unique_lock lock(mutex);
        arrived.wait(lock, [&] { return stop || !waiting.empty(); });
        if (waiting.empty()) return;
        request = std::move(waiting.front());
        waiting.pop_front();
      }
      left_queue.notify_one();
      answer(runner, std::move(request));
      std::lock_guard lock(mutex);
      if (--open == 0) idle.notify_all();
    }
  }

  void answer(Runner& runner, Request request) {
    std::exception_ptr error;
    try {
      translated([&] {
        if (request.outputs.empty()) request.outputs.resize(model->outputs.size());
        runner.run(request.inputs, request.outputs);
      });
    } catch (...) {
      error = std::current_exception();
      request.outputs.clear();
    }
    try {
      request.on_done(std::move(request.outputs), error);
    } catch (const std::exception& problem) {
      hone::log(hone::LogLevel::error, std::string("the callback of a request threw: ") + problem.what());
    } catch (...) {
      hone::log(hone::LogLevel::error, "the callback of a request threw");
    }
  }

  void push(Request request) {
    std::unique_lock lock(mutex);
    left_queue.wait(lock, [&] { return waiting.size() < room; });
    waiting.push_back(std::move(request));
    ++open;
    lock.unlock();
    arrived.notify_one();
  }

  std::shared_ptr<LoadedModel> model;
  std::vector<std::unique_ptr<Runner>> runners;
  std::mutex mutex;
  std::condition_variable arrived, left_queue, idle;
  std::deque<Request> waiting;
  size_t room = 1;
  size_t open = 0;  // submitted and not done
  bool stop = false;
  std::vector<std::thread> threads;
};

Streams::Streams(const Model& model, const StreamOptions& options)
    : impl_(translated([&] { return std::make_unique<Impl>(ModelAccess::get(model), options); })) {}
Streams::~Streams() = default;
Streams::Streams(Streams&&) noexcept = default;
Streams& Streams::operator=(Streams&&) noexcept = default;

std::future<Streams::Outputs> Streams::submit(std::vector<Tensor> inputs, Outputs outputs) {
  auto promise = std::make_shared<std::promise<Outputs>>();
  std::future<Outputs> future = promise->get_future();
  submit(
      std::move(inputs),
      [promise](Outputs results, std::exception_ptr error) {
        if (error) promise->set_exception(error);
        else promise->set_value(std::move(results));
      },
      std::move(outputs));
  return future;
}

void Streams::submit(std::vector<Tensor> inputs, Callback on_done, Outputs outputs) {
  if (!on_done) throw Error("submit", "was given an empty callback");
  alive(impl_, "Streams")->push({std::move(inputs), std::move(outputs), std::move(on_done)});
}

bool Streams::try_submit(std::vector<Tensor>& inputs, Callback on_done) {
  if (!on_done) throw Error("try_submit", "was given an empty callback");
  {
    std::lock_guard lock(alive(impl_, "Streams")->mutex);
    if (impl_->waiting.size() >= impl_->room) return false;
    impl_->waiting.push_back({std::move(inputs), {}, std::move(on_done)});
    ++impl_->open;
  }
  impl_->arrived.notify_one();
  return true;
}

void Streams::wait() {
  if (!impl_) return;
  std::unique_lock lock(impl_->mutex);
  impl_->idle.wait(lock, [&] { return impl_->open == 0; });
}

int Streams::streams() const noexcept { return impl_ ? static_cast<int>(impl_->threads.size()) : 0; }

}  // namespace hone::v0
