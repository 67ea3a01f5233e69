#include "gridcompute/program/blocks.hpp"

#include <algorithm>
#include <numeric>

namespace gridcompute::program {

namespace {
std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// What one block is built from.
struct Part {
  Matrix matrix;
  std::vector<double> cost, low, high, row_low, row_high;
  std::vector<std::uint8_t> basic, upper, row_basic, row_upper;
};
}  // namespace

Blocks::Blocks(const Matrix& matrix, std::span<const double> cost, std::span<const double> low,
               std::span<const double> high, std::span<const double> row_low, std::span<const double> row_high,
               std::span<const std::uint8_t> basic, std::span<const std::uint8_t> upper) {
  const std::size_t n = cost.size(), m = at(matrix.rows);
  std::vector<std::int32_t> parent(n + m);  // columns, then rows
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](std::int32_t i) {
    while (parent[at(i)] != i) i = parent[at(i)] = parent[at(parent[at(i)])];
    return i;
  };
  for (std::size_t j = 0; j < n; ++j)
    for (std::int32_t k = matrix.begin[j]; k < matrix.begin[j + 1]; ++k) {
      const std::int32_t a = root(static_cast<std::int32_t>(j));
      const std::int32_t b = root(static_cast<std::int32_t>(n) + matrix.row[at(k)]);
      parent[at(std::max(a, b))] = std::min(a, b);
    }
  std::vector<std::int32_t> block_of(n + m, kNone);
  std::vector<Part> parts;
  const auto part_of = [&](std::size_t i) {
    std::int32_t& block = block_of[at(root(static_cast<std::int32_t>(i)))];
    if (block < 0) {
      block = static_cast<std::int32_t>(parts.size());
      parts.emplace_back();
      parts.back().matrix.begin.push_back(0);
    }
    return block;
  };
  row_at_.resize(m), column_at_.resize(n);
  for (std::size_t i = 0; i < m; ++i) {
    const std::int32_t block = part_of(n + i);
    Part& part = parts[at(block)];
    row_at_[i] = {block, static_cast<std::int32_t>(part.matrix.rows++)};
    part.row_low.push_back(row_low[i]), part.row_high.push_back(row_high[i]);
    part.row_basic.push_back(basic[n + i]), part.row_upper.push_back(upper[n + i]);
  }
  for (std::size_t j = 0; j < n; ++j) {
    const std::int32_t block = part_of(j);
    Part& part = parts[at(block)];
    column_at_[j] = {block, static_cast<std::int32_t>(part.cost.size())};
    for (std::int32_t k = matrix.begin[j]; k < matrix.begin[j + 1]; ++k) {
      part.matrix.row.push_back(row_at_[at(matrix.row[at(k)])].index);
      part.matrix.value.push_back(matrix.value[at(k)]);
    }
    part.matrix.begin.push_back(static_cast<std::int32_t>(part.matrix.row.size()));
    part.cost.push_back(cost[j]), part.low.push_back(low[j]), part.high.push_back(high[j]);
    part.basic.push_back(basic[j]), part.upper.push_back(upper[j]);
  }
  for (Part& part : parts) {
    part.basic.insert(part.basic.end(), part.row_basic.begin(), part.row_basic.end());
    part.upper.insert(part.upper.end(), part.row_upper.begin(), part.row_upper.end());
    blocks_.emplace_back(std::move(part.matrix), part.cost, part.low, part.high, part.row_low, part.row_high,
                         part.basic, part.upper);
  }
  touched_.assign(blocks_.size(), 0);
}

bool Blocks::set_costs(std::span<const std::int32_t> columns, std::span<const double> cost) {
  std::fill(touched_.begin(), touched_.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const At where = column_at_[at(columns[i])];
    blocks_[at(where.block)].set_cost(where.index, cost[i]);
    touched_[at(where.block)] = 1;
  }
  bool ended = true;
  for (std::size_t b = 0; b < blocks_.size(); ++b) ended &= touched_[b] == 0 || blocks_[b].primal();
  return ended;
}

bool Blocks::set_limits(std::span<const std::int32_t> columns, std::span<const double> low,
                        std::span<const double> high) {
  std::fill(touched_.begin(), touched_.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const At where = column_at_[at(columns[i])];
    blocks_[at(where.block)].set_limits(where.index, low[i], high[i]);
    touched_[at(where.block)] = 1;
  }
  bool ended = true;
  for (std::size_t b = 0; b < blocks_.size(); ++b) ended &= touched_[b] == 0 || blocks_[b].dual();
  return ended;
}

void Blocks::values(std::span<double> out) const {
  for (std::size_t j = 0; j < column_at_.size(); ++j)
    out[j] = blocks_[at(column_at_[j].block)].value(column_at_[j].index);
}

void Blocks::row_duals(std::span<double> out) const {
  for (std::size_t i = 0; i < row_at_.size(); ++i) out[i] = blocks_[at(row_at_[i].block)].row_dual(row_at_[i].index);
}

Index Blocks::steps() const {
  Index sum = 0;
  for (const Simplex& block : blocks_) sum += block.steps();
  return sum;
}

}  // namespace gridcompute::program
