#include "optimize/match.hpp"
#include "optimize/pass_manager.hpp"
#include "pass_testing.hpp"

namespace hone {
namespace {

/// Grows a graph of values [N, 4, 5, 5] by nodes that passes look for, wired at random, so that patterns have several
/// users, overlap, and end in graph outputs.
class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed) {}

  Graph make() {
    values_ = {graph_.add_input("x", DType::f32, Shape{Dim::named("N"), 4, 5, 5}),
               graph_.add_input("z", DType::f32, Shape{Dim::named("N"), 4, 5, 5})};
    int steps = 4 + static_cast<int>(random_() % 14);
    for (int i = 0; i < steps; ++i) values_.push_back(step());
    graph_.add_output("last", values_.back());
    for (int i = 0; i < 2; ++i) {
      Value* value = pick();
      if (value->producer() && !graph_.is_output(value)) graph_.add_output("", value);
    }
    return std::move(graph_);
  }

 private:
  /// Mostly the newest values, so that chains grow long.
  Value* pick() { return random_() % 3 ? values_.back() : values_[random_() % values_.size()]; }
  Value* add(const char* type, std::vector<Value*> inputs, const Attributes& attributes = {}) {
    return graph_.add(passes::new_op(type, attributes), std::move(inputs))->output();
  }
  Value* number(double value) { return graph_.add_constant("c", Tensor::scalar(static_cast<float>(value))); }
  Value* noise(Dims dims, double low = -1, double high = 1) {
    std::uniform_real_distribution<float> uniform(static_cast<float>(low), static_cast<float>(high));
    Tensor tensor(DType::f32, std::move(dims));
    for (float& value : tensor.mutable_data<float>()) value = uniform(random_);
    return graph_.add_constant("w", tensor);
  }
  Value* ints(const std::vector<int64_t>& values) {
    return graph_.add_constant("i", Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
  }

  Value* step() {
    switch (random_() % 3) {
      case 0:
        return elementwise(pick());
      case 1:
        return formula(pick());
      default:
        return layer(pick());
    }
  }

  Value* elementwise(Value* x) {
    switch (random_() % 10) {
      case 0:
        return add("Relu", {x});
      case 1:
        return add("Add", {x, pick()});
      case 2:
        return add("Mul", {noise({4, 1, 1}), x});
      case 3:
        return add("Add", {x, noise({1, 4, 1, 1})});
      case 4:
        return add("Mul", {x, number(0.5)});
      case 5:
        return add("Sub", {number(1), x});
      case 6:
        return add("Min", {x, number(6)});
      case 7:
        return add("Div", {x, number(2)});
      case 8:
        return add("Identity", {x});
      default:
        return add("Clip", {x, number(-1), number(2)});
    }
  }

  Value* formula(Value* x) {
    switch (random_() % 6) {
      case 0:
        return add("Mul", {x, add("Sigmoid", {x})});
      case 1:
        return add("Div",
                   {add("Mul", {x, add("Clip", {add("Add", {x, number(3)}), number(0), number(6)})}), number(6)});
      case 2: {
        Value* erf = add("Erf", {add("Div", {x, number(1.4142135)})});
        return add("Mul", {add("Mul", {x, add("Add", {erf, number(1)})}), number(0.5)});
      }
      case 3:
        return add("Div", {add("Clip", {add("Add", {x, number(3)}), number(0), number(6)}), number(6)});
      case 4: {
        Value* back = add("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
        Value* inside = random_() % 2 ? add("Add", {back, noise({4})}) : add("Tanh", {back});
        return add("Transpose", {inside}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
      }
      default:
        return add("Reshape", {add("Flatten", {x}), ints({-1, 4, 5, 5})});
    }
  }

  Value* layer(Value* x) {
    switch (random_() % 4) {
      case 0:
        return add("Conv", {x, noise({4, 4, 1, 1}), random_() % 2 ? noise({4}) : nullptr});
      case 1:
        return add("BatchNormalization", {x, noise({4}), noise({4}), noise({4}), noise({4}, 0.5, 2)});
      case 2:
        return add("Conv", {add("Pad", {x, ints({0, 0, 1, 1, 0, 0, 1, 1})}), noise({4, 2, 3, 3})},
                   {{"group", int64_t{2}}});
      default:
        return add("Add", {x, add("ReduceMean", {x, ints({2, 3})})});
    }
  }

  std::mt19937 random_;
  Graph graph_;
  std::vector<Value*> values_;
};

TEST(Optimize, RandomGraphsKeepTheirNumbers) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Graph before = RandomGraph(seed).make(), after = before.clone();
    PassReport report = optimize(after, {.verify_each = true});
    ASSERT_TRUE(report.settled);
    ASSERT_EQ(optimize(after).rounds, 1) << to_text(after, {.elide_above = 16});
    ASSERT_NO_FATAL_FAILURE(expect_same_numbers(before, after, seed, 1e-4)) << to_text(before, {.elide_above = 16});
    ASSERT_EQ(to_text(parse_text(to_text(after))), to_text(after));
  }
}

}  // namespace
}  // namespace hone
