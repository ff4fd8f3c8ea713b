#pragma once
#include "graph/op.hpp"

namespace hone::ops {

/// What ArgMax and ArgMin share: y (i64) is the index of the extreme element along an axis. A NaN is more extreme than
/// any number.
struct ArgExtreme : Op {
  int64_t axis = 0;
  bool keepdims = true;            ///< the axis stays, with size 1
  bool select_last_index = false;  ///< which of equal elements

  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;

 protected:
  virtual bool largest() const = 0;
};

/// Fills in clone(), as OpOf does.
template <class Derived>
struct ArgExtremeOf : ArgExtreme {
  std::unique_ptr<Op> clone() const override { return std::make_unique<Derived>(static_cast<const Derived&>(*this)); }
};

}  // namespace hone::ops
