#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.hpp"
#include "base/log.hpp"
#include "graph/text.hpp"
#include "import/import.hpp"
#include "optimize/pass_manager.hpp"

using namespace hone;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  set_log_sink({});
  return 0;
}

/// What happens to a model file before it runs: import, shapes, optimization with a check after each pass, text. Any bytes
/// may be refused with Error; nothing else may happen.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    Graph graph = import_model(std::as_bytes(std::span(data, size)), "fuzz.onnx");
    PassOptions options;
    options.verify_each = true;
    optimize(graph, options);
    graph.infer();
    to_text(graph, {.elide_above = 100});
  } catch (const Error&) {
  }
  return 0;
}
