/* noop.c - a program that does nothing, linked statically: the least that an exec can cost. */
int main(void)
{
	return 0;
}
