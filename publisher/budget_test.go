package publisher

import (
	"math/rand/v2"
	"testing"
)

func TestBufferSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{
		0: 16 << 10, 1: 16 << 10, 16 << 10: 16 << 10, 16<<10 + 1: 32 << 10, 40 << 10: 64 << 10,
		64 << 10: 64 << 10, 64<<10 + 1: 128 << 10, 1 << 20: 1 << 20, 1<<20 + 1: 1<<20 + 64<<10,
	} {
		if got := bufferSize(n); got != want {
			t.Errorf("bufferSize(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestOpenSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{
		1: 16 << 10, 40 << 10: 64 << 10, 64<<10 + 1: 128 << 10, 300 << 10: 512 << 10,
		512 << 10: 512 << 10, 1 << 20: 1 << 20, 1<<20 + 1: 1<<20 + 64<<10,
	} {
		if got := openSize(n); got != want {
			t.Errorf("openSize(%d) = %d, want %d", n, got, want)
		}
	}
}

// fill takes buffers of a size until the budget refuses.
func fill(b *budget, a *account, size int) {
	for full := false; !full; {
		full = b.take(a, size) == nil
	}
}

// However much dead partitions take, a living one finds its part.
func TestBudgetIsFair(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20
	b := newBudget(limit, 16)
	forBatches := int64(limit - limit/8)
	accounts := make([]account, 16)
	for i := range 15 {
		fill(b, &accounts[i], 64<<10)
		if held := accounts[i].held; held > forBatches/4 {
			t.Errorf("account %d holds %d bytes, more than a quarter of %d", i, held, forBatches)
		}
	}
	if accounts[0].held <= forBatches/4-64<<10 {
		t.Errorf("the first account got only %d bytes of its quarter", accounts[0].held)
	}
	fill(b, &accounts[15], 16<<10)
	if part := forBatches / 2 / 16; accounts[15].held < part-16<<10 {
		t.Errorf("the last account got %d bytes, want its part of %d", accounts[15].held, part)
	}
	if b.bytes() > forBatches {
		t.Errorf("%d bytes are charged, more than %d", b.bytes(), forBatches)
	}
}

// With few accounts a share is more than a quarter.
func TestBudgetShares(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20
	for n, parts := range map[int]int64{1: 1, 2: 2, 3: 3, 4: 4, 100: 4} {
		b := newBudget(limit, n)
		if want := (limit - limit/8) / parts; b.share != want {
			t.Errorf("%d accounts: a share is %d, want %d", n, b.share, want)
		}
	}
	if b := newBudget(MinBufferBytes, 1000); b.share != 2<<20 || b.floor != 0 {
		t.Errorf("small budget: share %d, floor %d, want two batches and nothing", b.share, b.floor)
	}
}

// What came before the partitions were known leaves the stage only bit by bit:
// the stage goes on taking what comes meanwhile, though it holds more than a
// partition may.
func TestBudgetOfEverything(t *testing.T) {
	t.Parallel()
	const limit = 64 << 20
	b := newBudget(limit, 1)
	stage := account{most: b.forEverything()}
	for stage.held < b.forBatches()/3 {
		b.take(&stage, 256<<10)
	}
	b.setAccounts(16, []*account{&stage})
	if b.take(&stage, 256<<10) == nil {
		t.Errorf("no room though only %d bytes of %d are used", b.bytes(), b.limit)
	}
	partition := account{}
	fill(b, &partition, 64<<10)
	if partition.held < b.forBatches()/16/2-64<<10 {
		t.Errorf("a partition gets only %d bytes", partition.held)
	}
}

// Whatever is done in whatever order, the charges are what is held, and in the
// end nothing.
func TestBudgetAddsUp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	b := newBudget(8<<20, 3)
	accounts := make([]account, 5)
	held := make([][][]byte, len(accounts))
	for range 20000 {
		i := random.IntN(len(accounts))
		a := &accounts[i]
		switch last := len(held[i]) - 1; {
		case random.IntN(1000) == 0:
			n := 1 + random.IntN(len(accounts))
			b.setAccounts(n, []*account{&accounts[0], &accounts[1], &accounts[2], &accounts[3], &accounts[4]})
		case last < 0 || random.IntN(3) == 0:
			if buf := b.take(a, random.IntN(512<<10)); buf != nil {
				held[i] = append(held[i], buf)
			}
		case random.IntN(3) == 0:
			old := held[i][last]
			held[i][last] = b.exchange(a, old, random.IntN(cap(old)))
			if cap(held[i][last]) != cap(old) {
				b.release(old)
			}
		default:
			b.give(a, held[i][last])
			held[i] = held[i][:last]
		}
		checkCharges(t, b, accounts, held)
	}
	for i := range accounts {
		for _, buf := range held[i] {
			b.give(&accounts[i], buf)
		}
	}
	b.close()
	if b.used != 0 || b.beyond != 0 || b.pooled != 0 {
		t.Errorf("in the end %d bytes are used, %d beyond floors, %d pooled", b.used, b.beyond, b.pooled)
	}
}

func checkCharges(t *testing.T, b *budget, accounts []account, held [][][]byte) {
	t.Helper()
	var used, beyond int64
	for i := range accounts {
		var sum int64
		for _, buf := range held[i] {
			sum += int64(cap(buf))
		}
		if accounts[i].held != sum {
			t.Fatalf("account %d is charged %d bytes, holds %d", i, accounts[i].held, sum)
		}
		used += sum
		beyond += max(0, sum-b.floor)
	}
	if b.used != used || b.beyond != beyond || used > b.forBatches() || b.used+b.pooled > b.limit {
		t.Fatalf("used %d, beyond %d, pooled %d of %d; want %d and %d", b.used, b.beyond, b.pooled, b.limit, used, beyond)
	}
}

func TestBudgetCopies(t *testing.T) {
	t.Parallel()
	b := newBudget(16<<20, 1) // an eighth is 2 MiB
	if !b.startCopy(8<<20) || b.startCopy(1) {
		t.Error("want one copy of any size, and then none")
	}
	b.endCopy(8 << 20)
	if !b.startCopy(1<<20) || !b.startCopy(1<<20-1) || b.startCopy(2) {
		t.Error("want copies up to an eighth")
	}
	if b.bytes() != 2<<20-1 {
		t.Errorf("%d bytes are charged, want the copies", b.bytes())
	}
}
