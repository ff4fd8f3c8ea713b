#pragma once
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace hone {

/// Makes nodes in front of `place`, one after the other. What has only constant inputs becomes a constant.
class Builder {
 public:
  Builder(Graph& graph, Node* place) : graph_(graph), place_(place) {}
  Value* make(const char* op, std::vector<Value*> inputs, const Attributes& attributes = {});
  Value* ints(const std::vector<int64_t>& values);
  Value* number(float value);  ///< a scalar

  Value* transpose(Value* x, const std::vector<int64_t>& permutation);  ///< x itself where nothing moves
  Value* reshape(Value* x, const Dims& dims);                           ///< x itself where it has these sizes
  Value* sum(Value* x, const std::vector<int64_t>& axes);               ///< without the axes
  /// `count` indices of `axis` from `start` on, `step` apart.
  Value* slice(Value* x, int64_t axis, int64_t start, int64_t count, int64_t step = 1);
  /// `before` and `after` more indices of `axis`, all of this value.
  Value* pad(Value* x, int64_t axis, int64_t before, int64_t after, float value);

 private:
  Graph& graph_;
  Node* place_;
};

}  // namespace hone
