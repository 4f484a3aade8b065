package traffic

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Contact is a customer whom the CRM knows.
type Contact struct {
	// Name is a full name, family name first.
	Name string
	// TransactionID is what the CRM keeps for the contact and the call centre sends back.
	TransactionID string
	// Phone is a mobile number in national form, "0912345678".
	Phone string
}

// Agent is a person of the call centre.
type Agent struct {
	// Name is a full name, family name first.
	Name string
	// UserName is the agent's account, as it stands in webhooks.
	UserName string
	// Extension is the agent's short number.
	Extension string
}

// person is a name and what an account name is made of it.
type person struct{ name, account string }

// people returns the names, all different.
func people() []person {
	return []person{
		{"Nguyễn Văn An", "annv"},
		{"Trần Thị Bích", "bichtt"},
		{"Lê Hoàng Châu", "chaulh"},
		{"Phạm Quốc Dũng", "dungpq"},
		{"Hoàng Thị Thu Hà", "hahtt"},
		{"Huỳnh Ngọc Hân", "hanhn"},
		{"Phan Đức Huy", "huypd"},
		{"Vũ Minh Khôi", "khoivm"},
		{"Võ Thị Mỹ Linh", "linhvtm"},
		{"Đặng Tuấn Kiệt", "kietdt"},
		{"Bùi Thanh Mai", "maibt"},
		{"Đỗ Hữu Nghĩa", "nghiadh"},
		{"Hồ Thị Kim Ngân", "nganhtk"},
		{"Ngô Bảo Ngọc", "ngocnb"},
		{"Dương Thành Nhân", "nhandt"},
		{"Lý Hồng Nhung", "nhunglh"},
		{"Nguyễn Hải Phong", "phongnh"},
		{"Trần Minh Phúc", "phuctm"},
		{"Lê Thị Phương", "phuonglt"},
		{"Phạm Anh Quân", "quanpa"},
		{"Hoàng Như Quỳnh", "quynhhn"},
		{"Huỳnh Công Sơn", "sonhc"},
		{"Phan Thị Thanh Tâm", "tamptt"},
		{"Vũ Đình Thắng", "thangvd"},
		{"Võ Ngọc Thảo", "thaovn"},
		{"Đặng Thị Hồng Thắm", "thamdth"},
		{"Bùi Quang Thịnh", "thinhbq"},
		{"Đỗ Anh Thư", "thuda"},
		{"Hồ Cẩm Tiên", "tienhc"},
		{"Ngô Mạnh Toàn", "toannm"},
		{"Dương Thùy Trang", "trangdt"},
		{"Lý Gia Trí", "trilg"},
		{"Nguyễn Thị Tường Vi", "vintt"},
		{"Trần Đăng Khoa", "khoatd"},
		{"Lê Phước Vinh", "vinhlp"},
		{"Phạm Thị Ánh Tuyết", "tuyetpta"},
		{"Hoàng Xuân Trường", "truonghx"},
		{"Huỳnh Yến Nhi", "nhihy"},
		{"Phan Việt Hưng", "hungpv"},
		{"Vũ Thị Lan Hương", "huongvtl"},
	}
}

// NewContacts returns n contacts with transaction ids and numbers of their own, the same ones for the same seed.
func NewContacts(seed uint64, n int) []Contact {
	random := newRandom(seed, 1)
	names := people()
	taken := make(map[string]bool)
	contacts := make([]Contact, n)
	for i := range contacts {
		contacts[i] = Contact{
			Name:          names[random.IntN(len(names))].name,
			TransactionID: fmt.Sprintf("TRANSID_%d", 1001+i),
			Phone:         freshPhone(random, taken),
		}
	}
	return contacts
}

// NewAgents returns n agents with accounts and extensions of their own, the same ones for the same seed.
func NewAgents(seed uint64, n int) []Agent {
	random := newRandom(seed, 2)
	names := people()
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	agents := make([]Agent, n)
	for i := range agents {
		p := names[i%len(names)]
		agents[i] = Agent{Name: p.name, UserName: p.account, Extension: strconv.Itoa(801 + i)}
		if round := i / len(names); round > 0 {
			agents[i].UserName += strconv.Itoa(round + 1)
		}
	}
	return agents
}

// freshPhone returns a mobile number that is not taken yet, and takes it. The prefixes are those of the large
// networks.
func freshPhone(random *rand.Rand, taken map[string]bool) string {
	prefixes := []string{
		"032", "033", "034", "035", "036", "037", "038", "039", "070", "076", "077", "078", "079", "081", "082", "083", "084",
		"085", "086", "088", "090", "091", "093", "094", "096", "097", "098",
	}
	for {
		phone := prefixes[random.IntN(len(prefixes))] + fmt.Sprintf("%07d", random.IntN(10_000_000))
		if !taken[subscriber(phone)] {
			taken[subscriber(phone)] = true
			return phone
		}
	}
}

// subscriber returns the last nine characters of a number, in which all spellings of a mobile number agree.
func subscriber(phone string) string { return phone[max(0, len(phone)-9):] }

// newRandom returns a source of its own for each use of a seed, so that one use does not move another.
func newRandom(seed, use uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, use)) //nolint:gosec // repeatable on purpose, and nothing secret depends on it
}
