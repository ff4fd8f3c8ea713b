#pragma once
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include <hone/export.hpp>
#include <hone/model.hpp>
#include <hone/tensor.hpp>

HONE_NAMESPACE_BEGIN

struct StreamOptions {
  int streams = 0;  ///< inferences at a time; 0: one per processor of this process, divided by `threads`
  int threads = 1;  ///< of each inference. One gives the highest throughput, more a lower latency
  int queue = 0;    ///< requests that may wait; 0: two a stream. A submit() beyond waits for room
};

/// Runs requests on several streams, each a session of its own in a thread of its own: the way to the highest
/// throughput, and to inference beside other work. All functions may be called from several threads.
class HONE_API Streams {
 public:
  using Outputs = std::vector<Tensor>;
  /// Receives the outputs, or the exception that submit()'s future would throw. Runs in the thread of a stream: keep it
  /// short, and do not wait in it for a submit() or for wait(). What it throws is logged and goes no further.
  using Callback = std::function<void(Outputs outputs, std::exception_ptr error)>;

  explicit Streams(const Model& model, const StreamOptions& options = {});
  /// Waits for all requests.
  ~Streams();
  Streams(Streams&&) noexcept;
  Streams& operator=(Streams&&) noexcept;

  /// Queues one inference; memory behind its tensors must stay as it is until the request is done. `outputs` may be
  /// empty, or one tensor an output with those defined that are to be written in place (see Session::run).
  std::future<Outputs> submit(std::vector<Tensor> inputs, Outputs outputs = {});
  /// As above; `on_done` is called instead, requests ending in any order.
  void submit(std::vector<Tensor> inputs, Callback on_done, Outputs outputs = {});
  /// Returns false, and leaves `inputs` as they are, instead of waiting for room in the queue.
  bool try_submit(std::vector<Tensor>& inputs, Callback on_done);
  /// Returns when every request submitted so far is done, its callback included.
  void wait();
  int streams() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

HONE_NAMESPACE_END
