package memory

import (
	"math/rand/v2"
	"testing"
)

func TestBufferSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{
		0: 4 << 10, 1: 4 << 10, 16 << 10: 16 << 10, 16<<10 + 1: 20 << 10, 40 << 10: 40 << 10,
		64 << 10: 64 << 10, 64<<10 + 1: 128 << 10, 1 << 20: 1 << 20, 1<<20 + 1: 1<<20 + 64<<10,
	} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestOpenSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{
		0: 16 << 10, 1: 16 << 10, 40 << 10: 48 << 10, 64 << 10: 64 << 10, 64<<10 + 1: 128 << 10, 300 << 10: 512 << 10,
		512 << 10: 512 << 10, 1 << 20: 1 << 20, 1<<20 + 1: 1<<20 + 64<<10,
	} {
		if got := openSize(n); got != want {
			t.Errorf("openSize(%d) = %d, want %d", n, got, want)
		}
	}
}

// testLargest is the largest batch there may be.
const testLargest = 1 << 20

// testBudget returns a budget and the accounts of its n partitions.
func testBudget(limit int64, n int) (*Budget, []*Account) {
	b := New(limit, testLargest, 16<<10, 1)
	accounts := make([]*Account, n)
	for i := range accounts {
		accounts[i] = new(Account)
	}
	b.SetAccounts(accounts, nil, 0)
	return b, accounts
}

// fill takes buffers of 16 KiB until the budget refuses.
func fill(b *Budget, a *Account) {
	for b.Take(a, 16<<10, Fresh) != nil { //nolint:revive // that is all
	}
}

// However small the budget is: it is nearly full before anything is refused to a
// partition that fails alone, or to one that does not fail; and however much those
// hold, every other finds room for a packet, and for another of one that fails.
func TestBudgetIsUsed(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{4 << 20, 8 << 20, 16 << 20, 32 << 20, 256 << 20} {
		for _, failing := range []bool{true, false} {
			b, accounts := testBudget(limit, 16)
			b.Mark(accounts[0], failing, true)
			fill(b, accounts[0])
			if b.Bytes() < limit/2 {
				t.Errorf("limit %d, failing %v: only %d bytes are used before any is refused", limit, failing, b.Bytes())
			}
			b.Mark(accounts[1], true, true)
			// The copies have 1/16, or two batches of 64 KiB. A partition that fails has
			// 8/9 of 5/8, the others all but a thirty-second, or 256 KiB.
			copies := max(limit/16, 128<<10)
			want := limit - copies - max((limit-copies)/32, 256<<10)
			if failing {
				want = (limit - copies) / 8 * 5 * 8 / 9
			}
			if b.Bytes() < want-32<<10 || b.Bytes() > want+32<<10 {
				t.Errorf("limit %d, failing %v: %d bytes are used before any is refused, want %d", limit, failing, b.Bytes(), want)
			}
			for i, a := range accounts[1:] {
				if b.Take(a, 16<<10, Fresh) == nil {
					t.Errorf("limit %d, failing %v: nothing for partition %d", limit, failing, i+1)
				}
			}
		}
	}
}

// Partitions that fail leave to the others what those have held lately, and a half
// more.
func TestBudgetReserve(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20
	b, accounts := testBudget(limit, 16)
	whole := int64(60 << 20)
	for _, a := range accounts[8:] {
		for range 16 {
			b.Take(a, 128<<10, Fresh)
		}
	}
	for _, a := range accounts[8:] { // 2 MiB each, for a while
		b.mu.Lock()
		b.discharge(a, a.held)
		b.mu.Unlock()
	}
	var failing int64
	for _, a := range accounts[:8] {
		b.Mark(a, true, true)
	}
	for _, a := range accounts[:8] {
		fill(b, a)
		failing += a.held
	}
	if left := whole - failing; left < 23<<20 || left > 24<<20 {
		t.Errorf("8 partitions that fail leave %d bytes to others, who have held 16 MiB lately", left)
	}
	if accounts[1].held < accounts[0].held/10 {
		t.Errorf("the first to fail holds %d bytes, the second %d", accounts[0].held, accounts[1].held)
	}
}

// What failing accounts hold is not all of what they may once the others need less,
// and nothing is set aside for others when all fail.
func TestBudgetWhenAllFail(t *testing.T) {
	t.Parallel()
	const limit = 16 << 20
	b, accounts := testBudget(limit, 256)
	for _, a := range accounts {
		b.Take(a, 16<<10, Fresh)
		b.Mark(a, true, true)
	}
	for _, a := range accounts {
		fill(b, a)
	}
	if b.Bytes() < limit/20*17 {
		t.Errorf("%d bytes of %d are used when all fail", b.Bytes(), limit)
	}
}

// Enough is the least budget that keeps room for a packet of each partition.
func TestBudgetEnough(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	// 4 n packets of 16 KiB, and one fifteenth more, in the next whole MiB.
	for n, want := range map[int]int64{1: 1 * mebibyte, 16: 2 * mebibyte, 256: 18 * mebibyte, 1024: 69 * mebibyte} {
		b, _ := testBudget(int64(4<<20), 1)
		if got := b.Enough(n); got != want {
			t.Errorf("%d partitions: enough is %d bytes, want %d", n, got, want)
		}
		if want < int64(4<<20) {
			continue
		}
		if b, _ := testBudget(want, n); b.kept/2/int64(n) < b.packet {
			t.Errorf("%d partitions: %d bytes keep %d for each", n, want, b.kept/2/int64(n))
		}
		if b, _ := testBudget(want-mebibyte, n); b.kept/2/int64(n) >= b.packet {
			t.Errorf("%d partitions: %d bytes are enough, too", n, want-mebibyte)
		}
	}
}

// Whatever is done in whatever order, the charges are what is held, and in the
// end nothing.
func TestBudgetAddsUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	b, accounts := testBudget(8<<20, 5)
	held := make([][][]byte, len(accounts))
	for range 20000 {
		i := random.IntN(len(accounts))
		a := accounts[i]
		switch last := len(held[i]) - 1; {
		case random.IntN(1000) == 0:
			b.SetAccounts(accounts[:1+random.IntN(len(accounts))], nil, random.IntN(3))
		case random.IntN(100) == 0:
			b.Mark(a, !a.dead, random.IntN(2) == 0)
		case last < 0 || random.IntN(3) == 0:
			if buf := b.Take(a, random.IntN(512<<10), Claim(random.IntN(3))); buf != nil {
				held[i] = append(held[i], buf)
			}
		case random.IntN(3) == 0:
			old := held[i][last]
			held[i][last] = b.Exchange(a, old, random.IntN(cap(old)))
			if cap(held[i][last]) != cap(old) {
				b.Release(old)
			}
		default:
			b.Give(a, held[i][last])
			held[i] = held[i][:last]
		}
		checkCharges(t, b, accounts, held)
	}
	for i := range accounts {
		for _, buf := range held[i] {
			b.Give(accounts[i], buf)
		}
	}
	b.Close()
	if b.used != 0 || b.failing != 0 || b.pooled != 0 {
		t.Errorf("in the end %d bytes are used, %d of those that fail, %d pooled", b.used, b.failing, b.pooled)
	}
}

func checkCharges(t *testing.T, b *Budget, accounts []*Account, held [][][]byte) {
	t.Helper()
	var used, failing int64
	for i, a := range accounts {
		var sum int64
		for _, buf := range held[i] {
			sum += int64(cap(buf))
		}
		if a.held != sum {
			t.Fatalf("account %d is charged %d bytes, holds %d", i, a.held, sum)
		}
		used += sum
		if a.failing {
			failing += sum
		}
	}
	if b.used != used || b.failing != failing || used > b.whole() || b.used+b.pooled > b.limit {
		t.Fatalf("used %d, failing %d, pooled %d of %d; want %d and %d", b.used, b.failing, b.pooled, b.limit, used, failing)
	}
}

// The client's copies have a quarter of the budget, or what batches leave of that,
// or what is set aside for them; brokers that do not answer leave some of it to
// the others.
func TestBudgetCopies(t *testing.T) {
	t.Parallel()
	b, accounts := testBudget(16<<20, 1) // a quarter is 4 MiB
	var first, second int64
	if !b.StartCopy(&first, 8<<20) || b.StartCopy(&second, 1) {
		t.Error("want one copy of any size, and then none")
	}
	b.EndCopy(&first, 8<<20)
	n := 0
	for b.StartCopy(&first, 64<<10) {
		n++
	}
	if first < 3<<20 || first > 7<<19 {
		t.Errorf("one broker's copies have %d bytes, want four fifths of 4 MiB", first)
	}
	if !b.StartCopy(&second, 512<<10) {
		t.Errorf("nothing for the second broker beside %d bytes", first)
	}
	if b.Bytes() != first+second {
		t.Errorf("%d bytes are charged, want the copies", b.Bytes())
	}
	b.EndCopy(&first, first)
	b.EndCopy(&second, second)
	fill(b, accounts[0])
	n = 0
	for third := int64(0); b.StartCopy(new(int64), 64<<10); third++ {
		n++
	}
	if n != 16 || b.Bytes() > 16<<20 {
		t.Errorf("in a full budget there are %d copies of 64 KiB, want a sixteenth; %d bytes are charged", n, b.Bytes())
	}
}
