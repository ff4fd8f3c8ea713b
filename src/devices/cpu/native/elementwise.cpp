#include "kernels/elementwise.hpp"

#include <memory>
#include <optional>

#include "compile/lower/patterns.hpp"
#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"

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
  NativeBinary(const kernels::BinaryJob& job, size_t a, size_t b, int64_t rows) : job_(job), a_(a), b_(b), rows_(rows) {}
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

std::optional<kernels::Binary> binary_op(const Op& op) {
  static const struct {
    const char* name;
    kernels::Binary op;
  } list[] = {{"Add", kernels::Binary::add}, {"Sub", kernels::Binary::sub}, {"Mul", kernels::Binary::mul},
              {"Div", kernels::Binary::div}, {"Min", kernels::Binary::min}, {"Max", kernels::Binary::max}};
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
      inputs.push_back(node.input(i) && node.input(i)->is_constant() ? scratch.add_constant("c", node.input(i)->constant()) : nullptr);
    if (v.op->spec().min_inputs != 1 || !v.op->has(Trait::activation)) return nullptr;
    Node* twin = scratch.add(v.op->clone(), inputs);
    if (!ops::fusable_activation(*twin, activation) || !native_activation(activation, job.act)) return refusal = "activation", nullptr;
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
    if (in != DType::f32 || !ops::fusable_activation(node, activation) || !native_activation(activation, job.act)) return nullptr;
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
  Dims a = dims_of(node.input(0)), b = dims_of(node.input(1)), y = dims_of(node.output());
  size_t first = 0, second = 1;
  int64_t rows = 0;
  if (a == y && match_broadcast(a, b, job, rows)) {
  } else if (b == y && match_broadcast(b, a, job, rows)) {
    first = 1, second = 0;
    job.swapped = true;
  } else {
    return refusal = "broadcast of " + to_string(a) + " and " + to_string(b), nullptr;
  }
  job.a = operand(node.input(first)->dtype(), v.in(first));
  job.b = operand(node.input(second)->dtype(), v.in(second));
  job.target = target(out, v.out());
  if (v.fused && (!native_activation(v.fused->act, job.act) || !v.fused->act2.empty())) return refusal = "activation", nullptr;
  return std::make_unique<NativeBinary>(job, first, second, rows);
}

}  // namespace hone::cpu
