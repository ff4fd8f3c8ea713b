#include "kernels/elementwise.hpp"

#include <cmath>
#include <memory>
#include <optional>

#include "compile/lower/patterns.hpp"
#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/normalization/batch_normalization.hpp"

namespace hone::cpu {

namespace {

/// A node as inner op, quantization and activation, whether Fused or plain.
struct View {
  const Op* op;
  const ops::Fused* fused;  // may be null
  ops::QuantParams in(size_t i) const { return fused ? fused->input_quant(i) : ops::QuantParams{}; }
  ops::QuantParams out() const { return fused ? fused->out : ops::QuantParams{}; }
};
View view(const Node& node) {
  const auto* fused = node.as<ops::Fused>();
  return {fused ? fused->inner.get() : &node.op(), fused};
}

// ---- unary ----

class NativeConvert : public Kernel {
 public:
  NativeConvert(const kernels::ConvertJob& job, int64_t count) : job_(job), count_(count) {
    bytes_ = job.x.type != DType::f32 && job.target.type != DType::f32;
    if (bytes_) kernels::make_lookup(job, table_);
  }
  std::string name() const override { return bytes_ ? "hone lookup" : "hone convert"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  bool reads(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    kernels::ConvertJob job = job_;
    job.x.data = run.in(0);
    spread(run, count_, 8192, [&](int64_t begin, int64_t end) {
      if (bytes_)
        kernels::elementwise_kernels().lookup(table_, run.in<uint8_t>(0), run.out<uint8_t>(), begin, end);
      else
        kernels::elementwise_kernels().convert(job, run.out(), begin, end);
    });
  }

 private:
  kernels::ConvertJob job_;
  int64_t count_;
  bool bytes_;
  uint8_t table_[256];
};

// ---- binary ----

class NativeBinary : public Kernel {
 public:
  NativeBinary(const kernels::BinaryJob& job, size_t a, size_t b, int64_t rows)
      : job_(job), a_(a), b_(b), rows_(rows) {}
  std::string name() const override { return "hone binary"; }
  bool may_overwrite(size_t i) const override {
    return i == a_ || (i == b_ && job_.broadcast == kernels::Broadcast::same);
  }
  void run(const KernelRun& run) const override {
    kernels::BinaryJob job = job_;
    job.a.data = run.in(a_);
    job.b.data = run.in(b_);
    spread(run, rows_, std::max<int64_t>(1, 8192 / job.channels), [&](int64_t begin, int64_t end) {
      kernels::elementwise_kernels().binary(job, run.out(), begin, end);
    });
  }

 private:
  kernels::BinaryJob job_;
  size_t a_, b_;
  int64_t rows_;
};

/// Any broadcast: the last one or two axes as a job of the kernel, the others as a walk.
class NativeBroadcast : public Kernel {
 public:
  NativeBroadcast(const kernels::BinaryJob& job, int64_t rows, Dims outer, Dims a_step, Dims b_step, size_t element)
      : job_(job),
        rows_(rows),
        outer_(std::move(outer)),
        a_step_(std::move(a_step)),
        b_step_(std::move(b_step)),
        element_(element) {}
  std::string name() const override { return "hone binary broadcast"; }
  void run(const KernelRun& run) const override {
    int64_t inner = rows_ * job_.channels;
    size_t a = job_.swapped ? 1 : 0, b = 1 - a;
    spread(run, element_count(outer_), std::max<int64_t>(1, 8192 / inner), [&](int64_t begin, int64_t end) {
      kernels::BinaryJob job = job_;
      for (int64_t unit = begin; unit < end; ++unit) {
        int64_t a_at = 0, b_at = 0, rest = unit;
        for (size_t i = outer_.size(); i-- > 0; rest /= outer_[i]) {
          a_at += rest % outer_[i] * a_step_[i];
          b_at += rest % outer_[i] * b_step_[i];
        }
        job.a.data = run.in<char>(a) + static_cast<size_t>(job.swapped ? b_at : a_at) * size_of(job.a.type);
        job.b.data = run.in<char>(b) + static_cast<size_t>(job.swapped ? a_at : b_at) * size_of(job.b.type);
        kernels::elementwise_kernels().binary(job, run.out<char>() + static_cast<size_t>(unit * inner) * element_, 0,
                                              rows_);
      }
    });
  }

 private:
  kernels::BinaryJob job_;
  int64_t rows_;
  Dims outer_, a_step_, b_step_;  ///< steps of inputs 0 and 1
  size_t element_;
};

/// The axes of the result with the steps of both inputs, neighbors merged where both allow it.
struct BroadcastAxes {
  Dims dims, a, b;
};
BroadcastAxes merge_axes(const Dims& y, const Dims& x0, const Dims& x1) {
  auto steps = [&](const Dims& x) {
    Dims own = row_major_strides(x), result(y.size(), 0);
    for (size_t i = 0; i < x.size(); ++i)
      if (x[i] != 1) result[y.size() - x.size() + i] = own[i];
    return result;
  };
  Dims a = steps(x0), b = steps(x1);
  BroadcastAxes result;
  for (size_t i = 0; i < y.size(); ++i) {
    if (y[i] == 1) continue;
    if (!result.dims.empty() && result.a.back() == a[i] * y[i] && result.b.back() == b[i] * y[i]) {
      result.dims.back() *= y[i], result.a.back() = a[i], result.b.back() = b[i];
    } else {
      result.dims.push_back(y[i]), result.a.push_back(a[i]), result.b.push_back(b[i]);
    }
  }
  return result;
}

std::unique_ptr<Kernel> make_broadcast(const Node& node, kernels::BinaryJob job, const View& v) {
  BroadcastAxes axes = merge_axes(dims_of(node.output()), dims_of(node.input(0)), dims_of(node.input(1)));
  if (axes.dims.empty() || element_count(axes.dims) == 0) return nullptr;
  int64_t rows = 1;
  job.channels = axes.dims.back();
  int64_t a = axes.a.back(), b = axes.b.back();
  job.swapped = a == 0;  // the operand that does not move is the second
  job.broadcast = a == 0 || b == 0 ? kernels::Broadcast::scalar : kernels::Broadcast::same;
  auto drop = [&] { axes.dims.pop_back(), axes.a.pop_back(), axes.b.pop_back(); };
  drop();
  bool same = job.broadcast == kernels::Broadcast::same;
  if (same && !axes.dims.empty() && (axes.a.back() == 0 || axes.b.back() == 0)) {  // [rows, n] with [n]
    job.broadcast = kernels::Broadcast::channel;
    job.swapped = axes.a.back() == 0;
    // The moving operand's rows follow each other.
    if ((job.swapped ? axes.b.back() : axes.a.back()) == job.channels) {
      rows = axes.dims.back();
      drop();
    } else {
      job.broadcast = kernels::Broadcast::same;
    }
  }
  size_t first = job.swapped ? 1 : 0;
  job.a = operand(node.input(first)->dtype(), v.in(first));
  job.b = operand(node.input(1 - first)->dtype(), v.in(1 - first));
  return std::make_unique<NativeBroadcast>(job, rows, axes.dims, axes.a, axes.b, size_of(node.output()->dtype()));
}

std::optional<kernels::Binary> binary_op(const Op& op) {
  static const struct {
    const char* name;
    kernels::Binary op;
  } list[] = {{"Add", kernels::Binary::add}, {"Sub", kernels::Binary::sub}, {"Mul", kernels::Binary::mul},
              {"Div", kernels::Binary::div}, {"Min", kernels::Binary::min}, {"Max", kernels::Binary::max},
              {"PRelu", kernels::Binary::prelu}};
  for (const auto& entry : list)
    if (std::string_view(op.type()) == entry.name) return entry.op;
  return std::nullopt;
}

/// How `small` lies against `large`; fills rows and channels of the job.
bool match_broadcast(const Dims& large, Dims small, kernels::BinaryJob& job, int64_t& rows) {
  while (small.size() < large.size()) small.insert(small.begin(), 1);
  if (small.size() != large.size()) return false;
  int64_t count = element_count(large);
  job.channels = large.empty() ? 1 : large.back();
  rows = job.channels == 0 ? 0 : count / job.channels;
  if (small == large) {
    job.broadcast = kernels::Broadcast::same;
    return true;
  }
  int64_t small_count = element_count(small);
  if (small_count == 1) {
    job.broadcast = kernels::Broadcast::scalar;
    return true;
  }
  // The trailing axes that `small` shares are one "channel" axis when everything before is 1.
  size_t shared = large.size();
  while (shared > 0 && small[shared - 1] == large[shared - 1]) --shared;
  int64_t trailing = 1;
  for (size_t i = shared; i < large.size(); ++i) trailing *= large[i];
  if (trailing == small_count) {
    job.broadcast = kernels::Broadcast::channel;
    job.channels = trailing;
    rows = count / trailing;
    return true;
  }
  // [N, 1 ..., C] against [N, ..., C].
  if (large.size() >= 3 && small.front() == large.front() && small.back() == large.back() &&
      small_count == small.front() * small.back()) {
    job.broadcast = kernels::Broadcast::gate;
    job.rows_per_image = count / (large.front() * large.back());
    return true;
  }
  return false;
}

}  // namespace

std::unique_ptr<Kernel> make_native_unary(const Node& node, const CpuContext&, std::string& refusal) {
  View v = view(node);
  kernels::ConvertJob job;
  DType in = node.input(0) ? node.input(0)->dtype() : DType::undefined, out = node.output()->dtype();
  if (!byte_or_float(in) || !byte_or_float(out)) return nullptr;
  if (v.fused) {
    // An activation on 8-bit data: the inner op is the activation.
    Graph scratch;
    ops::FusedActivation activation;
    Value* x = scratch.add_input("x", DType::f32, Shape{1});
    std::vector<Value*> inputs{x};
    for (size_t i = 1; i < static_cast<size_t>(v.fused->inner_inputs); ++i)
      inputs.push_back(node.input(i) && node.input(i)->is_constant()
                           ? scratch.add_constant("c", node.input(i)->constant())
                           : nullptr);
    if (v.op->spec().min_inputs != 1 || !v.op->has(Trait::elementwise)) return nullptr;
    Node* twin = scratch.add(v.op->clone(), inputs);
    if (!ops::fusable_activation(*twin, activation) || !native_activation(activation, job.act))
      return refusal = "activation", nullptr;
    if (!v.fused->act.empty() || v.fused->has_residual) return refusal = "epilogue", nullptr;
    job.x = operand(in, v.in(0));
    job.target = target(out, v.out());
  } else if (auto params = quantize_params(node); params && in == DType::f32) {
    job.x = operand(in, {});
    job.target = target(out, *params);
  } else if (auto source = dequantized_from(node.output()); source && out == DType::f32) {
    job.x = operand(in, source->params);
    job.target = target(out, {});
  } else {
    ops::FusedActivation activation;
    if (in != DType::f32 || !ops::fusable_activation(node, activation) || !native_activation(activation, job.act))
      return nullptr;
    job.x = operand(in, {});
    job.target = target(out, {});
  }
  return std::make_unique<NativeConvert>(job, element_count(dims_of(node.output())));
}

std::unique_ptr<Kernel> make_native_binary(const Node& node, const CpuContext&, std::string& refusal) {
  View v = view(node);
  auto op = binary_op(*v.op);
  size_t inputs = v.fused ? static_cast<size_t>(v.fused->inner_inputs) : node.inputs().size();
  if (!op || inputs != 2) return nullptr;
  DType type_a = node.input(0)->dtype(), type_b = node.input(1)->dtype(), out = node.output()->dtype();
  if (!byte_or_float(type_a) || !byte_or_float(type_b) || !byte_or_float(out)) return refusal = "element type", nullptr;
  bool plain_integers = !v.fused && type_a != DType::f32;
  if (plain_integers || (v.fused && v.fused->has_residual)) return refusal = "integers without a scale", nullptr;
  if ((type_a != DType::f32) != v.in(0).quantized() || (type_b != DType::f32) != v.in(1).quantized() ||
      (out != DType::f32) != v.out().quantized())
    return refusal = "integers without a scale", nullptr;
  kernels::BinaryJob job;
  job.op = *op;
  job.target = target(out, v.out());
  if (v.fused && (!native_activation(v.fused->act, job.act) || !v.fused->act2.empty()))
    return refusal = "activation", nullptr;
  Dims a = dims_of(node.input(0)), b = dims_of(node.input(1)), y = dims_of(node.output());
  size_t first = 0, second = 1;
  int64_t rows = 0;
  if (a == y && match_broadcast(a, b, job, rows)) {
  } else if (b == y && match_broadcast(b, a, job, rows)) {
    first = 1, second = 0;
    job.swapped = true;
  } else {
    auto kernel = make_broadcast(node, job, v);
    if (!kernel) refusal = "broadcast of " + to_string(a) + " and " + to_string(b);
    return kernel;
  }
  job.a = operand(node.input(first)->dtype(), v.in(first));
  job.b = operand(node.input(second)->dtype(), v.in(second));
  return std::make_unique<NativeBinary>(job, first, second, rows);
}

namespace {

class NativeAffine : public Kernel {
 public:
  NativeAffine(const kernels::AffineJob& job, std::vector<float> scale, std::vector<float> bias, int64_t rows)
      : job_(job), scale_(std::move(scale)), bias_(std::move(bias)), rows_(rows) {}
  std::string name() const override { return "hone affine"; }
  bool spaces_output(size_t length) const override {
    return length == size_of(job_.target.type) * static_cast<size_t>(job_.channels);
  }
  bool spaces_input(size_t i, size_t length) const override {
    return i == 0 && length == size_of(job_.x.type) * static_cast<size_t>(job_.channels);
  }
  void space_output(size_t row) override { job_.y_row = static_cast<int64_t>(row / size_of(job_.target.type)); }
  void space_input(size_t, size_t row) override { job_.x_row = static_cast<int64_t>(row / size_of(job_.x.type)); }
  bool may_overwrite(size_t i) const override { return i == 0; }
  bool reads(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    kernels::AffineJob job = job_;
    job.x.data = run.in(0);
    job.scale = scale_.data(), job.bias = bias_.data();
    // A few rows of all channels stay in the first-level cache.
    spread(run, rows_, std::max<int64_t>(1, 8192 / job.channels), [&](int64_t begin, int64_t end) {
      const int64_t step = std::max<int64_t>(4, 4096 / job.channels);
      for (int64_t row = begin; row < end; row += step)
        kernels::elementwise_kernels().affine(job, run.out(), row, std::min(end, row + step));
    });
  }

 private:
  kernels::AffineJob job_;
  std::vector<float> scale_, bias_;
  int64_t rows_;
};

}  // namespace

/// BatchNormalization of channels-last data with constant statistics.
std::unique_ptr<Kernel> make_native_affine(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* op = fused ? dynamic_cast<const ops::BatchNormalization*>(fused->inner.get()) : nullptr;
  if (!op || !fused->channels_last || node.outputs().size() != 1) return nullptr;
  DType in = node.input(0)->dtype(), out = node.output()->dtype();
  if (!byte_or_float(in) || !byte_or_float(out) || (in != DType::f32) != fused->input_quant(0).quantized() ||
      (out != DType::f32) != fused->out.quantized())
    return refusal = "element type", nullptr;
  if (op->training_mode || fused->has_residual || !fused->act2.empty())
    return refusal = "training, or epilogue", nullptr;
  std::vector<std::vector<float>> given;
  for (size_t i = 1; i < 5; ++i) {
    if (!node.input(i)->is_constant()) return refusal = "statistics are not constant", nullptr;
    given.push_back(node.input(i)->constant().to_floats());
  }
  kernels::AffineJob job;
  Dims y = dims_of(node.output());
  job.channels = y.back();
  if (!native_activation(fused->act, job.act)) return refusal = "activation", nullptr;
  if (element_count(y) == 0) return refusal = "empty tensor", nullptr;
  job.x = operand(in, fused->input_quant(0));
  job.target = target(out, fused->out);
  std::vector<float> scale, bias;
  for (size_t c = 0; c < given[0].size(); ++c) {
    scale.push_back(given[0][c] / std::sqrt(given[3][c] + op->epsilon));
    bias.push_back(given[1][c] - given[2][c] * scale[c]);
  }
  return std::make_unique<NativeAffine>(job, std::move(scale), std::move(bias), element_count(y) / job.channels);
}

}  // namespace hone::cpu
