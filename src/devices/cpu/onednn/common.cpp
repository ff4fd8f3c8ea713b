#include "devices/cpu/onednn/common.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/cpu.hpp"
#include "base/error.hpp"

namespace hone::cpu {

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine = [] {
    // HONE_CPU limits oneDNN too; it must be told before its first primitive.
    const CpuFeatures& cpu = cpu_features();
    dnnl::set_max_cpu_isa(cpu.avx512_vnni ? dnnl::cpu_isa::all
                          : cpu.avx512    ? dnnl::cpu_isa::avx512_core
                          : cpu.avx2      ? dnnl::cpu_isa::avx2
                                          : dnnl::cpu_isa::sse41);
    return dnnl::engine(dnnl::engine::kind::cpu, 0);
  }();
  return engine;
}

dnnl::stream& onednn_stream() {
  thread_local dnnl::stream stream(onednn_engine());
  return stream;
}

dnnl::memory::data_type onednn_type(DType type) {
  using T = dnnl::memory::data_type;
  switch (type) {
    case DType::f32: return T::f32;
    case DType::u8: return T::u8;
    case DType::i8: return T::s8;
    case DType::i32: return T::s32;
    default: return T::undef;
  }
}

namespace {

using Algorithm = dnnl::algorithm;

/// Positively homogeneous: act(x) * f == act(x * f) with alpha and beta adjusted, so a scale can move through it.
bool homogeneous(const ops::FusedActivation& act) {
  return act.empty() || act.name == "Relu" || act.name == "LeakyRelu" || act.name == "Clip";
}

/// Appends rounding to whole numbers of 8 bits.
void append_rounding(dnnl::post_ops& ops, const ops::QuantParams& grid, DType dtype) {
  const float low = static_cast<float>((dtype == DType::i8 ? -128 : 0) - grid.zero);
  ops.append_eltwise(1, Algorithm::eltwise_round, 0, 0);
  ops.append_eltwise(1, Algorithm::eltwise_clip, low, low + 255);
}

/// Appends the activation of values that are `factor` times the real ones.
bool append(dnnl::post_ops& ops, const ops::FusedActivation& act, float factor, std::string& refusal) {
  if (act.empty()) return true;
  const std::string& name = act.name;
  if (name == "Relu") ops.append_eltwise(1, Algorithm::eltwise_relu, 0, 0);
  else if (name == "LeakyRelu") ops.append_eltwise(1, Algorithm::eltwise_relu, act.alpha, 0);
  else if (name == "Clip") ops.append_eltwise(1, Algorithm::eltwise_clip, act.alpha * factor, act.beta * factor);
  else if (name == "HardSwish") ops.append_eltwise(1, Algorithm::eltwise_hardswish, 0, 0);
  else if (name == "Swish") ops.append_eltwise(1, Algorithm::eltwise_swish, act.alpha, 0);
  else if (name == "Sigmoid") ops.append_eltwise(1, Algorithm::eltwise_logistic, 0, 0);
  else if (name == "Gelu") ops.append_eltwise(1, Algorithm::eltwise_gelu_erf, 0, 0);
  else if (name == "Tanh") ops.append_eltwise(1, Algorithm::eltwise_tanh, 0, 0);
  else if (name == "Elu") ops.append_eltwise(1, Algorithm::eltwise_elu, act.alpha, 0);
  else if (name == "Mish") ops.append_eltwise(1, Algorithm::eltwise_mish, 0, 0);
  else if (name == "HardSigmoid") {
    ops.append_eltwise(1, Algorithm::eltwise_linear, act.alpha, act.beta);
    ops.append_eltwise(1, Algorithm::eltwise_clip, 0, 1);
  } else {
    refusal = "oneDNN has no " + name;
    return false;
  }
  return true;
}

}  // namespace

bool make_epilogue(const ops::Fused& fused, int64_t channels, int scale_mask, DType residual_type, Epilogue& epilogue,
                   std::string& refusal) {
  if (!fused.out_factors.empty()) {
    refusal = "a factor for each channel behind the activation";
    return false;
  }
  // Real value v; the primitive works on v * factor, with the output scale taken in early where the activations allow
  // it.
  bool fold = homogeneous(fused.act) && homogeneous(fused.act2);
  float factor = fused.out.quantized() && fold ? 1 / fused.out.scale : 1;
  if (fused.rounded.quantized()) {
    // With more than one linear post-op oneDNN's results are wrong, so the values must be on the grid from the start.
    if (!fold) return refusal = "a rounded sum with this activation", false;
    factor = 1 / fused.rounded.scale;
  }
  bool integer = !fused.weight_scales.empty();
  if (integer) {
    std::vector<float> scales;
    for (int64_t c = 0; c < channels; ++c) {
      float weight = fused.weight_scales[fused.weight_scales.size() == 1 ? 0 : static_cast<size_t>(c)];
      float real = fused.input_quant(0).scale * weight;
      scales.push_back(real * factor);
      epilogue.bias_factor.push_back(1 / real);
    }
    epilogue.attr.set_output_scales(scale_mask, scales);
    if (fused.input_quant(0).zero != 0)
      epilogue.attr.set_zero_points(DNNL_ARG_SRC, 0, {static_cast<int32_t>(fused.input_quant(0).zero)});
  } else if (fused.out.quantized()) {
    refusal = "float arithmetic with an 8-bit result";
    return false;
  }
  dnnl::post_ops ops;
  if (!append(ops, fused.act, factor, refusal)) return false;
  if (fused.rounded.quantized()) append_rounding(ops, fused.rounded, fused.rounded_dtype);
  if (fused.has_residual) {
    bool quantized = fused.residual.quantized();
    float scale = (quantized ? fused.residual.scale : 1.0f) * factor;
    ops.append_sum(scale, static_cast<int32_t>(quantized ? fused.residual.zero : 0), onednn_type(residual_type));
  }
  if (!append(ops, fused.act2, factor, refusal)) return false;
  const float last = 1 / (factor * (fused.out.quantized() ? fused.out.scale : 1));
  if (last != 1 && (!fold || fused.rounded.quantized())) ops.append_eltwise(1, Algorithm::eltwise_linear, last, 0);
  if (fused.out.quantized() && fused.out.zero != 0)
    epilogue.attr.set_zero_points(DNNL_ARG_DST, 0, {static_cast<int32_t>(fused.out.zero)});
  if (ops.len() > 0) epilogue.attr.set_post_ops(ops);
  epilogue.attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return true;
}

bool may_saturate(const Tensor& weights) {
  if (cpu_features().avx512_vnni || weights.dtype() != DType::i8) return false;
  // 2 * 255 * 64 still fits.
  const auto values = weights.data<int8_t>();
  return std::any_of(values.begin(), values.end(), [](int8_t w) { return w < -64 || w > 64; });
}

std::vector<float> scaled_bias(const Value* bias, int64_t channels, const std::vector<float>& factor) {
  if (!bias) return {};
  std::vector<float> values = bias->constant().to_floats();
  if (values.size() == 1) values.assign(static_cast<size_t>(channels), values[0]);
  for (size_t c = 0; c < factor.size() && c < values.size(); ++c) values[c] *= factor[c];
  return values;
}

dnnl::memory PackedWeights::get(const dnnl::memory::desc& wanted, const dnnl::memory::desc& plain_desc,
                                const void* plain, StoredWeights* stored) {
  for (const dnnl::memory& candidate : packed_)
    if (candidate.get_desc() == wanted) return candidate;
  if (stored) {
    stored_.push_back(stored->next(wanted.get_size()));
    packed_.emplace_back(wanted, onednn_engine(), stored_.back().get());
    return packed_.back();
  }
  dnnl::memory source(plain_desc, onednn_engine(), const_cast<void*>(plain));
  dnnl::memory target(wanted, onednn_engine());
  dnnl::reorder(source, target).execute(onednn_stream(), source, target);
  onednn_stream().wait();
  packed_.push_back(target);
  return target;
}

size_t PackedWeights::bytes() const {
  size_t total = 0;
  for (const dnnl::memory& memory : packed_) total += memory.get_desc().get_size();
  return total;
}

std::vector<std::span<const std::byte>> PartedKernel::packed() const {
  std::vector<std::span<const std::byte>> list;
  for (const Part& part : parts_) {
    const auto* data = static_cast<const std::byte*>(part.weights.get_data_handle());
    auto same = [&](std::span<const std::byte> other) { return other.data() == data; };
    if (std::none_of(list.begin(), list.end(), same)) list.emplace_back(data, part.weights.get_desc().get_size());
  }
  return list;
}

void PartedKernel::add_part(Part part) {
  part.scratch_bytes = (part.scratch_bytes + 63) / 64 * 64;
  part.scratch_offset = scratch_;
  scratch_ += part.scratch_bytes;
  parts_.push_back(std::move(part));
}

void PartedKernel::finish(const char* prefix, const dnnl::primitive& first) {
  const char* info = nullptr;
  dnnl_primitive_desc_query(first.get_primitive_desc(), dnnl_query_impl_info_str, 0, &info);
  name_ = std::string(prefix) + " " + (info ? info : "");
}

namespace {

/// Memory handles are not thread-safe, so each stream has its own.
struct PartState {
  dnnl::memory src, dst, scratch;
  std::vector<dnnl_exec_arg_t> args;
};

struct PartedState : KernelState {
  std::vector<PartState> parts;
};

}  // namespace

std::unique_ptr<KernelState> PartedKernel::make_state() const {
  auto state = std::make_unique<PartedState>();
  for (const Part& part : parts_) {
    PartState one;
    one.src = dnnl::memory(part.src, onednn_engine(), nullptr);
    one.dst = dnnl::memory(part.dst, onednn_engine(), nullptr);
    one.args = {{DNNL_ARG_SRC, one.src.get()}, {DNNL_ARG_WEIGHTS, part.weights.get()}, {DNNL_ARG_DST, one.dst.get()}};
    if (part.bias) one.args.push_back({DNNL_ARG_BIAS, part.bias.get()});
    if (part.scratch_bytes > 0) {
      dnnl::memory::dims size{static_cast<int64_t>(part.scratch_bytes)};
      one.scratch =
          dnnl::memory({size, dnnl::memory::data_type::u8, dnnl::memory::format_tag::a}, onednn_engine(), nullptr);
      one.args.push_back({DNNL_ARG_SCRATCHPAD, one.scratch.get()});
    }
    state->parts.push_back(std::move(one));
  }
  return state;
}

void PartedKernel::run(const KernelRun& run) const {
  auto& state = static_cast<PartedState&>(*run.state);
  const char* src = run.in<char>(0);
  char* dst = run.out<char>();
  if (residual_input_ >= 0) {
    const char* residual = run.in<char>(static_cast<size_t>(residual_input_));
    if (residual != dst) std::memcpy(dst, residual, output_bytes_);
  }
  run.pool.parallel_for(static_cast<int64_t>(parts_.size()), [&](int64_t index, int) {
    const Part& part = parts_[static_cast<size_t>(index)];
    PartState& mine = state.parts[static_cast<size_t>(index)];
    dnnl_memory_set_data_handle(mine.src.get(), const_cast<char*>(src) + part.src_offset);
    dnnl_memory_set_data_handle(mine.dst.get(), dst + part.dst_offset);
    if (part.scratch_bytes > 0) dnnl_memory_set_data_handle(mine.scratch.get(), run.scratch + part.scratch_offset);
    dnnl_primitive_execute(part.primitive.get(), onednn_stream().get(), static_cast<int>(mine.args.size()),
                           mine.args.data());
  });
}

}  // namespace hone::cpu
