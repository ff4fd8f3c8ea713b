#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"
#include "graph/text.hpp"

using namespace hone;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  set_log_sink({});
  return 0;
}

/// Any text is a graph or an Error; a graph's own text is read back to the same text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text;
  try {
    Graph graph = parse_text({reinterpret_cast<const char*>(data), size});
    // `random` makes much of little text; to print and read that again takes seconds and finds nothing.
    size_t bytes = 0;
    for (const Value* constant : graph.constants()) bytes += constant->constant().bytes();
    if (bytes > 1 << 18) return 0;
    text = to_text(graph);
  } catch (const Error&) {
    return 0;
  }
  std::string again;
  try {
    again = to_text(parse_text(text));
  } catch (const Error& error) {
    again = error.what();
  }
  if (again != text) {
    std::fprintf(stderr, "a graph's text is not read back as it was:\n%s\n---\n%s\n", text.c_str(), again.c_str());
    std::abort();
  }
  return 0;
}
