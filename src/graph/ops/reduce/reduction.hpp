#pragma once
#include <optional>

#include "graph/ops/types.hpp"

/// What the reductions share.
namespace hone::ops {

/// An op that turns the elements along some axes into one. Inputs: x, axes (optional; absent or empty: all axes, or
/// none with noop_with_empty_axes, which leaves the elementwise part: ReduceL1 then is Abs).
struct Reduction : Op {
  bool keepdims = true;               ///< the reduced axes stay, with size 1
  bool noop_with_empty_axes = false;

  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;

  /// The axes that `node`, a use of this op, reduces, counted from the front and sorted; nullopt when they are not
  /// known before running.
  std::optional<std::vector<size_t>> reduced_axes(const Node& node) const;

 protected:
  virtual const char* summary() const = 0;
  virtual Types types() const { return Types::numbers; }
  virtual uint32_t traits() const { return 0; }
};

/// Fills in clone(), as OpOf does.
template <class Derived>
struct ReductionOf : Reduction {
  std::unique_ptr<Op> clone() const override { return std::make_unique<Derived>(static_cast<const Derived&>(*this)); }
};

/// Where the elements of a reduction are. Result o is made of the elements kept[o] + starts[s] + i * step for every s
/// and every i below run.
struct ReducePlan {
  Dims out_dims;
  std::vector<int64_t> kept, starts;
  int64_t run = 1, step = 1;
  int64_t count() const { return static_cast<int64_t>(starts.size()) * run; }  ///< elements of each result
};
ReducePlan plan_reduction(const EvalContext& context, const Reduction& op);

/// The elements that make one result.
template <class T>
struct Group {
  using Value = Wide<T>;
  /// Holds sums without overflow for floats and wraps around for integers.
  using Sum = std::conditional_t<is_float_type<T>, double, uint64_t>;

  const ReducePlan& plan;
  const T* x;

  int64_t count() const { return plan.count(); }
  /// combine(...combine(combine(first, x0), x1)..., xn)
  template <class A, class F>
  A fold(A first, F combine) const {
    for (int64_t start : plan.starts) {
      const T* p = x + start;
      for (int64_t i = 0; i < plan.run; ++i) first = combine(first, static_cast<Value>(p[i * plan.step]));
    }
    return first;
  }
  /// The sum of f(x).
  template <class F>
  Sum sum(F f) const {
    return fold(Sum(0), [&](Sum total, Value value) { return total + static_cast<Sum>(f(value)); });
  }
  /// The sum of squares.
  Sum squares() const {
    return sum([](Value value) { return static_cast<Sum>(value) * static_cast<Sum>(value); });
  }
};

/// The element type that a Group has, where `group` is an argument of a generic lambda.
template <class G>
struct GroupElement;
template <class T>
struct GroupElement<Group<T>> {
  using type = T;
};

/// y[o] = reduce(group), whose result is converted to the element type: integers from double truncate and saturate.
template <Types types, class F>
void evaluate_reduction(EvalContext& context, const Reduction& op, F reduce) {
  ReducePlan plan = plan_reduction(context, op);
  const Tensor& x = context.in(0);
  dispatch_types<types>(context, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = static_cast<const T*>(x.raw());
    T* out = static_cast<T*>(context.out(0, x.dtype(), plan.out_dims).mutable_raw());
    for (size_t o = 0; o < plan.kept.size(); ++o) {
      auto result = reduce(Group<T>{plan, in + plan.kept[o]});
      if constexpr (std::is_same_v<decltype(result), double>) out[o] = from_double<T>(result);
      else out[o] = static_cast<T>(result);
    }
  });
}

}  // namespace hone::ops
