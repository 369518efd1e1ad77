/* noop.c - a program that does nothing, linked statically: the minimum cost of an exec. */
int main(void)
{
	return 0;
}
