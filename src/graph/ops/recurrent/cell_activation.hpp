#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace hone::ops {

/// An activation function inside a recurrent cell: a name of ONNX with its numbers.
struct CellActivation {
  enum class Kind : uint8_t {
    relu,
    tanh,
    sigmoid,
    affine,
    leaky_relu,
    thresholded_relu,
    scaled_tanh,
    hard_sigmoid,
    elu,
    softsign,
    softplus
  };
  Kind kind = Kind::tanh;
  double alpha = 0, beta = 0;

  template <class T>
  T operator()(T x) const {
    auto a = static_cast<T>(alpha), b = static_cast<T>(beta);
    switch (kind) {
      case Kind::relu:
        return x > 0 ? x : T(0);
      case Kind::tanh:
        return std::tanh(x);
      case Kind::sigmoid:
        return 1 / (1 + std::exp(-x));
      case Kind::affine:
        return a * x + b;
      case Kind::leaky_relu:
        return x >= 0 ? x : a * x;
      case Kind::thresholded_relu:
        return x > a ? x : T(0);
      case Kind::scaled_tanh:
        return a * std::tanh(b * x);
      case Kind::hard_sigmoid:
        return std::fmin(std::fmax(a * x + b, T(0)), T(1));
      case Kind::elu:
        return x >= 0 ? x : a * std::expm1(x);
      case Kind::softsign:
        return x / (1 + std::abs(x));
      case Kind::softplus:
        return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    }
    return x;
  }
};

/// The functions that `names` name (in any case), with the numbers of ONNX where the lists give none. A list as long as
/// `names` gives each function its number; a shorter one has numbers only for those that take one. Throws
/// Error(place, ...) on unknown names and on lists that are too long.
std::vector<CellActivation> cell_activations(const std::string& place, const std::vector<std::string>& names,
                                             const std::vector<float>& alpha, const std::vector<float>& beta);

}  // namespace hone::ops
