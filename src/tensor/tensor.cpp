#include "tensor/tensor.hpp"

#include "tensor/int4.hpp"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/file.hpp"

namespace hone {

namespace {
constexpr size_t kLargePage = size_t{2} << 20;

#if defined(__linux__)
/// Nanoseconds that this thread has computed: unlike those of a clock, none for others that took its turn.
int64_t thread_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// A virtual machine that gave free memory back to its host gets each large page anew from there: 5 ms were measured
/// instead of 0.2, while small pages, of which some are always left, took 0.8 for as many bytes. The first page of an
/// allocation tells; after a slow one come small pages, in which layers were 2 to 5% slower.
void take_large_pages(void* memory, size_t bytes) {
  constexpr int64_t kSlow = 2'000'000, kUntilNextTry = int64_t{256} << 20;
  static std::atomic<int64_t> small_bytes{0};
  if (small_bytes.load() > 0) {
    small_bytes -= static_cast<int64_t>(bytes);
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    return;
  }
  madvise(memory, bytes, MADV_HUGEPAGE);
  const int64_t begin = thread_time();
  *static_cast<volatile char*>(memory) = 0;
  if (thread_time() - begin < kSlow) return;
  small_bytes = kUntilNextTry;
  if (bytes > kLargePage) madvise(static_cast<char*>(memory) + kLargePage, bytes - kLargePage, MADV_NOHUGEPAGE);
}
#endif
}  // namespace

std::shared_ptr<void> allocate(size_t bytes) {
  size_t rounded = (bytes + 63) / 64 * 64;
  if (rounded < bytes) throw Error("memory", "cannot get " + std::to_string(bytes) + " bytes");
  // Large memory in large pages: one core was measured to read 1.6 times faster from memory then, and first touches
  // cost less. What is left behind the last whole page stays in small ones, so nothing is wasted.
  const size_t alignment = rounded >= kLargePage ? kLargePage : 64;
  if (rounded > SIZE_MAX - kLargePage) throw Error("memory", "cannot get " + std::to_string(bytes) + " bytes");
  void* memory = std::aligned_alloc(alignment, rounded ? (rounded + alignment - 1) / alignment * alignment : 64);
#if defined(__linux__)
  if (memory && alignment == kLargePage) take_large_pages(memory, rounded / kLargePage * kLargePage);
#endif
  if (!memory)
    throw Error("memory", "cannot get " + std::to_string(bytes) + " bytes", "use a smaller batch or input size");
  return {memory, std::free};
}

Tensor::Tensor(DType dtype, Dims dims) : dtype_(dtype), dims_(std::move(dims)), size_(element_count(dims_)) {
  size_t need = 0;
  if (__builtin_mul_overflow(static_cast<size_t>(size_), size_of(dtype_), &need))
    throw Error("shape " + to_string(dims_), "needs more memory than a process can have");
  auto memory = allocate(need);
  data_ = memory.get();
  owner_ = std::move(memory);
}

namespace {
/// New memory costs more than the copy itself, and two processors make it in half the time.
void copy_large(void* to, const void* from, size_t bytes) {
  constexpr size_t kWorthAThread = 1 << 20;
  size_t half = bytes < kWorthAThread || cpu_features().cores < 2 ? 0 : bytes / 2;
  std::thread other;
  try {
    if (half > 0) other = std::thread([&, half] { MappedFile::copy(to, from, half); });
  } catch (const std::system_error&) {  // no more threads for this process
    half = 0;
  }
  MappedFile::copy(static_cast<char*>(to) + half, static_cast<const char*>(from) + half, bytes - half);
  if (other.joinable()) other.join();
}
}  // namespace

/// Memory that is not aligned for its type, and the copy of it that is, once somebody needs it.
struct LooseMemory {
  const void* data = nullptr;
  size_t bytes = 0;
  std::once_flag once;
  std::shared_ptr<void> copy;
};

Tensor::Tensor(DType dtype, Dims dims, const void* data, size_t bytes, std::shared_ptr<const void> owner)
    : dtype_(dtype), dims_(std::move(dims)), size_(element_count(dims_)), data_(data), owner_(std::move(owner)) {
  if (static_cast<size_t>(size_) > bytes / std::max<size_t>(size_of(dtype_), 1))
    throw Error(std::string("tensor ") + name_of(dtype_) + to_string(dims_),
                "has only " + std::to_string(bytes) + " bytes of data", "the file may be truncated");
  const size_t size = size_of(dtype_);
  if (size_ == 0 || size < 2 || reinterpret_cast<uintptr_t>(data) % size == 0) return;
  loose_ = std::make_shared<LooseMemory>();
  loose_->data = data, loose_->bytes = static_cast<size_t>(size_) * size;
}

const void* Tensor::address() const { return loose_ ? loose_->data : data_; }

bool Tensor::at_hand() const { return !loose_ && !MappedFile::holds(data_, bytes()); }

void Tensor::read_bytes(size_t offset, size_t count, void* to) const {
  MappedFile::copy(to, static_cast<const char*>(address()) + offset, count);
}

const void* Tensor::aligned_copy() const {
  std::call_once(loose_->once, [this] {
    auto copy = allocate(loose_->bytes);
    copy_large(copy.get(), loose_->data, loose_->bytes);
    loose_->copy = std::move(copy);
  });
  return loose_->copy.get();
}

Tensor::Tensor(Dims dims, std::vector<std::string> strings)
    : dtype_(DType::string), dims_(std::move(dims)), size_(element_count(dims_)) {
  if (static_cast<size_t>(size_) != strings.size()) throw Error("tensor", "string count does not fit the shape");
  auto shared = std::make_shared<std::vector<std::string>>(std::move(strings));
  data_ = shared.get();
  owner_ = std::move(shared);
}

Tensor Tensor::zeros(DType dtype, Dims dims) {
  Tensor tensor(dtype, std::move(dims));
  std::memset(tensor.mutable_raw(), 0, tensor.bytes());
  return tensor;
}

void Tensor::require(DType wanted) const {
  if (dtype_ != wanted)
    throw Error("tensor", std::string("is ") + name_of(dtype_) + to_string(dims_) + ", expected " + name_of(wanted));
}

const std::vector<std::string>& Tensor::strings() const {
  require(DType::string);
  return *static_cast<const std::vector<std::string>*>(data_);
}

Tensor Tensor::clone() const {
  if (!defined()) return {};
  if (dtype_ == DType::string) return {dims_, strings()};
  Tensor copy(dtype_, dims_);
  if (bytes() > 0) read_bytes(0, bytes(), copy.mutable_raw());
  return copy;
}

Tensor Tensor::reshaped(Dims dims) const {
  if (element_count(dims) != size_)
    throw Error("tensor " + to_string(dims_), "cannot be reshaped to " + to_string(dims));
  Tensor view = *this;
  view.dims_ = std::move(dims);
  return view;
}

namespace {
template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return static_cast<double>(value) != 0;
  } else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>) {
    double wide = static_cast<double>(value);
    if (std::isnan(wide)) return 0;
    if (wide <= static_cast<double>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (wide >= static_cast<double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(wide);
  } else {
    return static_cast<To>(value);
  }
}
}  // namespace

Tensor Tensor::cast(DType to) const {
  if (to == dtype_) return *this;
  if (is_4_bit(dtype_)) return as_bytes(*this).cast(to);
  Tensor result(to, dims_);
  dispatch(dtype_, [&](auto from) {
    using From = decltype(from);
    dispatch(to, [&](auto target) {
      using To = decltype(target);
      const From* in = static_cast<const From*>(raw());
      To* out = static_cast<To*>(result.mutable_raw());
      for (int64_t i = 0; i < size_; ++i) out[i] = convert<To>(in[i]);
    });
  });
  return result;
}

std::vector<int64_t> Tensor::to_ints() const {
  if (!is_integer(dtype_) && dtype_ != DType::boolean)
    throw Error("tensor", std::string("is ") + name_of(dtype_) + ", expected integers");
  Tensor wide = cast(DType::i64);
  auto data = wide.data<int64_t>();
  return {data.begin(), data.end()};
}

std::vector<float> Tensor::to_floats() const {
  Tensor wide = cast(DType::f32);
  auto data = wide.data<float>();
  return {data.begin(), data.end()};
}

double Tensor::scalar_as_double() const {
  if (size_ != 1) throw Error("tensor " + to_string(dims_), "expected a single element");
  return cast(DType::f64).data<double>()[0];
}

bool identical(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  if (!a.defined()) return true;
  if (a.dtype() == DType::string) return a.strings() == b.strings();
  return a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

void throw_not_numeric(DType type) { throw Error("tensor", std::string("type ") + name_of(type) + " is not numeric"); }

}  // namespace hone
