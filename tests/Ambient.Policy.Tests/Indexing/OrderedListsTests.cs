using Ambient.Policy.Indexing;
using Ambient.Testing.Fuzzing;

namespace Ambient.Policy.Tests.Indexing;

/// <summary>Lists in order, of items of which several may have the same place in it.</summary>
public sealed class OrderedListsTests
{
    [Fact]
    [Trait("Category", "Fuzz")]
    public void AddAndRemove_ItemsOfEqualOrder_AreToldApart() => FuzzBudget.Run(200, random =>
    {
        var items = Enumerable.Range(0, 24).Select(_ => new Item(random.Next(5))).ToArray();
        Item[]? current = null;
        var expected = new HashSet<Item>();
        for (var step = 0; step < 20; step++)
        {
            var lists = new OrderedLists<int, Item>(_ => current, EqualityComparer<int>.Default, Comparer<Item>.Create(static (x, y) => x.Order.CompareTo(y.Order)));
            foreach (var item in random.GetItems(items, 4))
            {
                // An item that is there is not added twice, and one that is not is not taken for another.
                if (random.Next(2) == 0)
                {
                    lists.Add(1, item);
                    expected.Add(item);
                }
                else
                {
                    lists.Remove(1, item);
                    expected.Remove(item);
                }
            }

            current = lists.Changes is [var (_, changed)] ? changed : current;
            var list = current ?? [];
            Assert.Equal(expected.Count, list.Length);
            Assert.Equal(list.Select(item => item.Order).Order(), list.Select(item => item.Order));
            Assert.True(expected.SetEquals(list), "another item of the same order was taken");
        }
    });

    private sealed class Item(int order)
    {
        public int Order => order;
    }
}
