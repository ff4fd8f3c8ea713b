#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "devices/devices.hpp"
#include "graph/text.hpp"
#include "graph_checks.hpp"
#include "run/session.hpp"

// Counts every allocation of this program that goes through operator new, in all threads. The address sanitizer brings
// its own operator new.
#if !defined(__SANITIZE_ADDRESS__)

namespace {
std::atomic<long> allocations{0};
}

void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace hone {
namespace {

TEST(CpuDevice, SteadyStateDoesNotAllocate) {
  Graph graph = parse_text(R"(graph "g" {
    input %x: f32[1, 8, 20, 20]
    const %w: f32[16, 8, 3, 3] = random(1)
    const %dw: f32[16, 1, 3, 3] = random(2)
    const %w2: f32[16, 16, 1, 1] = random(3)
    const %fc: f32[16, 10] = random(4)
    const %flat: i64[2] = [1, 16]
    %c = Conv(%x, %w) {pads=[1, 1, 1, 1]}
    %r = Relu(%c)
    %d = Conv(%r, %dw) {pads=[1, 1, 1, 1], group=16}
    %h = HardSwish(%d)
    %p = Conv(%h, %w2)
    %a = Add(%p, %r)
    %m = MaxPool(%a) {kernel_shape=[2, 2], strides=[2, 2]}
    %g = GlobalAveragePool(%m)
    %f = Reshape(%g, %flat)
    %y = MatMul(%f, %fc)
    %s = Softmax(%y)
    output "s" = %s
  })");
  for (int threads : {1, 2}) {
    Session session(load(graph, {.threads = threads}));
    std::vector<Tensor> inputs = testing_tools::random_inputs(graph, 1), outputs = session.run(inputs);
    session.run(inputs, outputs);
    long before = allocations;
    for (int round = 0; round < 20; ++round) session.run(inputs, outputs);
    EXPECT_EQ(allocations - before, 0) << threads << " threads";
  }
}

}  // namespace
}  // namespace hone

#endif
