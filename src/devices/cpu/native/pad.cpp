#include "graph/ops/shape/pad.hpp"

#include <cstring>
#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"

/// Pad in every mode.
namespace hone::cpu {

namespace {

/// Positions next to each other that come from neighbors, or from the border (source -1).
struct Stretch {
  int64_t count, source;
};

/// Axes of the output; those behind the last one that changes are one block of memory.
struct Layout {
  std::vector<std::vector<int64_t>> outer;  ///< input positions, an axis each
  Dims strides;                             ///< of the outer axes, in bytes
  std::vector<Stretch> last;
  size_t block = 1;                         ///< bytes
  int64_t length = 0;                       ///< of the last axis, in blocks
};

std::vector<Stretch> stretches(const std::vector<int64_t>& sources) {
  std::vector<Stretch> result;
  for (int64_t source : sources) {
    bool follows = !result.empty() &&
                   (source < 0 ? result.back().source < 0
                               : result.back().source >= 0 && source == result.back().source + result.back().count);
    if (follows) ++result.back().count;
    else result.push_back({1, source});
  }
  return result;
}

class NativePad : public Kernel {
 public:
  NativePad(Layout layout, size_t element, bool value) : layout_(std::move(layout)), element_(element), value_(value) {
    for (const auto& axis : layout_.outer) rows_ *= static_cast<int64_t>(axis.size());
  }
  std::string name() const override { return "hone pad"; }
  bool reads(size_t i) const override { return i == 0 || i == 2; }
  void run(const KernelRun& run) const override {
    char value[8] = {};
    if (value_) std::memcpy(value, run.in(2), element_);
    size_t row_bytes = static_cast<size_t>(layout_.length) * layout_.block;
    spread(run, rows_, std::max<int64_t>(1, 65536 / static_cast<int64_t>(row_bytes + 1)),
           [&](int64_t begin, int64_t end) {
             for (int64_t r = begin; r < end; ++r)
               fill_row(source_row(run.in<char>(0), r), value, run.out<char>() + static_cast<size_t>(r) * row_bytes);
           });
  }

 private:
  /// nullptr in the border.
  const char* source_row(const char* x, int64_t row) const {
    for (size_t i = layout_.outer.size(); i-- > 0;) {
      auto size = static_cast<int64_t>(layout_.outer[i].size());
      int64_t at = layout_.outer[i][static_cast<size_t>(row % size)];
      if (at < 0) return nullptr;
      x += at * layout_.strides[i];
      row /= size;
    }
    return x;
  }
  void fill_row(const char* x, const char* value, char* y) const {
    if (!x) return fill(value, y, static_cast<size_t>(layout_.length) * layout_.block);
    for (const Stretch& stretch : layout_.last) {
      size_t bytes = static_cast<size_t>(stretch.count) * layout_.block;
      if (stretch.source < 0) fill(value, y, bytes);
      else std::memcpy(y, x + static_cast<size_t>(stretch.source) * layout_.block, bytes);
      y += bytes;
    }
  }
  template <class T>
  static void fill_as(const char* value, char* y, size_t bytes) {
    T element;
    std::memcpy(&element, value, sizeof(T));
    std::fill_n(reinterpret_cast<T*>(y), bytes / sizeof(T), element);
  }
  void fill(const char* value, char* y, size_t bytes) const {
    switch (element_) {
      case 1: return fill_as<uint8_t>(value, y, bytes);
      case 2: return fill_as<uint16_t>(value, y, bytes);
      case 4: return fill_as<uint32_t>(value, y, bytes);
      default: return fill_as<uint64_t>(value, y, bytes);
    }
  }

  Layout layout_;
  size_t element_;
  bool value_;
  int64_t rows_ = 1;
};

}  // namespace

std::unique_ptr<Kernel> make_native_pad(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* op = node.as<ops::Pad>();
  if (!op) return nullptr;
  Dims x = dims_of(node.input(0)), y = dims_of(node.output());
  size_t element = size_of(node.output()->dtype()), rank = x.size();
  if (element == 0 || node.output()->dtype() == DType::string) return refusal = "element type", nullptr;
  if (element_count(x) == 0 || element_count(y) == 0 || rank == 0) return refusal = "empty tensor", nullptr;
  const Value* axes = node.input(3);
  if (!node.input(1)->is_constant() || (axes && !axes->is_constant()))
    return refusal = "pads are not constant", nullptr;
  std::vector<int64_t> pads = node.input(1)->constant().to_ints(), begin(rank, 0);
  for (size_t i = 0; i < pads.size() / 2; ++i) {
    int64_t axis = axes ? axes->constant().to_ints()[i] : static_cast<int64_t>(i);
    begin[static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis)] = pads[i];
  }
  size_t last = rank - 1;
  while (last > 0 && begin[last] == 0 && x[last] == y[last]) --last;
  Layout layout;
  layout.block = element;
  for (size_t i = last + 1; i < rank; ++i) layout.block *= static_cast<size_t>(x[i]);
  Dims strides = row_major_strides(x);
  for (size_t i = 0; i < last; ++i) {
    layout.outer.push_back(ops::pad_sources(op->mode, begin[i], x[i], y[i]));
    layout.strides.push_back(strides[i] * static_cast<int64_t>(element));
  }
  layout.last = stretches(ops::pad_sources(op->mode, begin[last], x[last], y[last]));
  layout.length = y[last];
  return std::make_unique<NativePad>(std::move(layout), element, node.input(2) != nullptr);
}

}  // namespace hone::cpu
